#!/bin/sh
# R with a compiler for what people install, the usual libraries, and JupyterLab's kernel.
#
# Version:  Debian's of bookworm (R 4.2)
# Source:   the Debian mirror
# Checksum: apt checks the archive's GPG signature
set -eu
# HOME is the user's in this image: what root writes there would be in the user's way.
export HOME=/tmp
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends \
  r-base-core r-base-dev r-recommended r-cran-irkernel \
  r-cran-tidyverse r-cran-data.table r-cran-devtools r-cran-knitr r-cran-rmarkdown r-cran-shiny \
  r-cran-dbi r-cran-rsqlite r-cran-openxlsx \
  libcurl4-openssl-dev libssl-dev libxml2-dev

# install.packages() writes here in every kind of session, as pip does into /opt/python: no volume
# covers it, so a saved image has it.
mkdir -p /opt/r-library
echo 'R_LIBS_USER=/opt/r-library' >> /etc/R/Renviron.site
fix-permissions.sh /opt/r-library

Rscript -e 'IRkernel::installspec(name = "ir", displayname = "R", user = FALSE, prefix = "/opt/jupyter")' >/dev/null
