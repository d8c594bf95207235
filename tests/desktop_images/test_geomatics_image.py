"""The image geomatics: a GeoPackage that is opened in QGIS and seen, and the libraries."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

pytest.importorskip("playwright.sync_api", reason="needs: pip install -e '.[test]'")
from playwright.sync_api import Browser, Page  # noqa: E402

from .desktop import Desktop, keep_picture, wait_for  # noqa: E402

pytestmark = pytest.mark.images
COLOUR = (255, 0, 170)
# One square whose style, kept in the file itself, is a colour that no desktop has by chance.
MAKE = f"""
import sqlite3, geopandas
from shapely.geometry import box
squares = [box(0, 0, 10, 10)]
frame = geopandas.GeoDataFrame({{"name": ["a"]}}, geometry=squares, crs="EPSG:4326")
frame.to_file("/tmp/square.gpkg", layer="square", driver="GPKG")
style = '''<qgis version="3.22"><renderer-v2 type="singleSymbol"><symbols>
<symbol type="fill" name="0" alpha="1"><layer class="SimpleFill">
<Option type="Map">
<Option name="color" value="{COLOUR[0]},{COLOUR[1]},{COLOUR[2]},255" type="QString"/>
<Option name="style" value="solid" type="QString"/></Option>
<prop k="color" v="{COLOUR[0]},{COLOUR[1]},{COLOUR[2]},255"/><prop k="style" v="solid"/>
</layer></symbol></symbols></renderer-v2></qgis>'''
with sqlite3.connect("/tmp/square.gpkg") as db:
    db.execute("CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT, "
        "f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT, f_geometry_column TEXT, "
        "styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, "
        "owner TEXT, ui TEXT, update_time DATETIME DEFAULT CURRENT_TIMESTAMP)")
    db.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles')")
    db.execute("INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
        "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner) "
        "VALUES ('', '', 'square', 'geom', 'pink', ?, '', 1, '', '')", (style,))
"""
COUNT = """([red, green, blue]) => {
  const canvas = document.querySelector("#screen canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    const far = (part, wanted) => Math.abs(data[i + part] - wanted) > 20;
    if (!far(0, red) && !far(1, green) && !far(2, blue)) found += 1;
  }
  return found;
}"""


@pytest.fixture(scope="module")
def desktop(start: Callable[..., Desktop]) -> Desktop:
    return start("geomatics", NB_PREFIX="/notebook/team/maps")


def test_the_libraries_of_python_and_r_and_the_commands_are_there(
    desktop: Desktop,
) -> None:
    names = "fiona, folium, geopandas, pyogrio, pyproj, rasterio, rioxarray, shapely"
    desktop.run(f"python -c 'import {names}'")
    versions = desktop.run("Rscript -e 'library(sf); library(terra); library(stars)'")
    assert "GDAL 3" in versions
    assert re.search(r"GDAL 3\.\d", desktop.run("gdalinfo --version"))
    assert "Pseudo-Mercator" in desktop.run(
        "projinfo EPSG:3857 -o WKT2:2019 | head -40"
    )


def pixels(page: Page) -> int:
    return int(page.evaluate(COUNT, list(COLOUR)))


def test_qgis_shows_a_geopackage(desktop: Desktop, chromium: Browser) -> None:
    desktop.run("test -x ~/Desktop/org.qgis.qgis.desktop")
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    page.goto(desktop.address + "desktop/")
    page.wait_for_selector("#veil", state="hidden", timeout=60_000)
    assert pixels(page) == 0
    desktop.run(f"/opt/python/bin/python - <<'END'\n{MAKE}\nEND")
    desktop.run(
        "nohup qgis --nologo --noversioncheck /tmp/square.gpkg >/tmp/qgis.log 2>&1 &"
    )
    # The square fills a good part of QGIS's map, which is zoomed to it.
    wait_for("the square", lambda: pixels(page) > 20_000, 120)
    keep_picture(page, "geomatics-map")
    page.close()
