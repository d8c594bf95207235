// What moves on the pages: a job's progress, and the question before something is deleted.

for (const button of document.querySelectorAll("[data-confirm]")) {
  button.addEventListener("click", (event) => {
    if (!window.confirm(button.dataset.confirm)) event.preventDefault();
  });
}

// Whoever names somebody means to share with them.
for (const field of document.querySelectorAll("[data-chooses]")) {
  field.addEventListener("input", () => {
    if (field.value.trim()) document.getElementById(field.dataset.chooses).checked = true;
  });
}

// What is asked of a new version makes no sense for a new image: that one has none before it.
for (const part of document.querySelectorAll("[data-known]")) {
  const name = document.getElementById(part.dataset.known);
  const fold = (text) => text.trim().split(/\s+/).join(" ").toLowerCase();
  const fit = () => {
    part.hidden = ![...name.list.options].some((one) => fold(one.value) === fold(name.value));
    part.querySelector("input").disabled = part.hidden;
  };
  name.addEventListener("input", fit);
  fit();
}

const reload = document.querySelector("[data-reload]");
if (reload) setInterval(() => refresh(reload), 1000 * reload.dataset.reload);

// Only the marked part is replaced: what a person types or reads elsewhere stays. At the end of
// what it shows, the whole page comes anew.
async function refresh(part) {
  const answer = await fetch(part.dataset.from);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-reload]");
  if (!fresh) location.reload();
  else if (fresh.innerHTML !== part.innerHTML) part.innerHTML = fresh.innerHTML;
}

const place = document.getElementById("job");
if (place) follow(place);

function follow(place) {
  // EventSource connects again by itself after a network loss or a restart of the service.
  const source = new EventSource(place.dataset.events);
  source.addEventListener("job", (event) => show(place, JSON.parse(event.data)));
  const log = document.getElementById("job-log");
  if (log) keepLog(source, log);
  source.addEventListener("end", () => source.close());
}

// Only whole lines are shown: the last one may still grow. What a search leaves out is hidden.
function keepLog(source, log) {
  const follow = document.getElementById("job-follow");
  const search = document.getElementById("job-search");
  let rest = "";
  let have = 0;
  const fits = (row) => { row.hidden = !row.textContent.toLowerCase().includes(search.value.toLowerCase()); };
  search.addEventListener("input", () => [...log.children].forEach(fits));
  source.addEventListener("log", (event) => {
    const { offset, text } = JSON.parse(event.data);
    // The service counts characters, not the halves of which JavaScript makes some of them.
    const characters = [...text];
    const lines = (rest + characters.slice(Math.max(0, have - offset)).join("")).split("\n");
    have = Math.max(have, offset + characters.length);
    rest = lines.pop();
    log.append(...lines.map((line) => {
      const row = document.createElement("div");
      row.textContent = line || " ";
      row.className = /^#\d+ \[/.test(line) ? "step" : /^#\d+ (done|from the cache)/.test(line) ? "good" : /^#\d+ failed/.test(line) ? "bad" : "";
      fits(row);
      return row;
    }));
    if (follow.checked) log.scrollTop = log.scrollHeight;
  });
}

function show(place, job) {
  const byId = (id) => document.getElementById(id);
  place.dataset.state = job.state;
  byId("job-message").textContent = job.message;
  const percent = Math.round(100 * job.share);
  byId("job-bar").hidden = !unfinished(job);
  byId("job-bar").setAttribute("aria-valuenow", percent);
  byId("job-bar").firstElementChild.style.width = `${percent}%`;
  const running = unfinished(job);
  byId("job-bytes").textContent = running && job.bytes_total
    ? place.dataset.done.replace("{done}", people(place, job.bytes_done)).replace("{total}", people(place, job.bytes_total))
      + (job.rate ? ` · ${people(place, job.rate)}/s` : "")
    : "";
  const names = JSON.parse(byId("job-steps").dataset.names);
  byId("job-steps").replaceChildren(...job.steps.map((step) => {
    const item = document.createElement("li");
    item.dataset.state = step.state;
    const seconds = step.state === "waiting" ? place.dataset.waiting : `${step.seconds.toFixed(step.seconds < 10 ? 2 : 0)} s`;
    item.textContent = `${names[step.name] ?? step.name} · ${seconds}`;
    return item;
  }));
  byId("job-running").hidden = !running;
  byId("job-succeeded").hidden = job.state !== "succeeded";
  byId("job-failed").hidden = job.state !== "failed" && job.state !== "cancelled";
  const anyway = byId("job-anyway");
  if (anyway) anyway.hidden = job.error?.code !== "start_test_failed";
  byId("job-details").textContent = job.error ? JSON.stringify(job.error, null, 2) : "";
}

function unfinished(job) {
  return job.state === "queued" || job.state === "running";
}

function people(place, bytes) {
  const [kilo, mega, giga] = place.dataset.units.split("|");
  if (bytes >= 1e9) return giga.replace("{number}", (bytes / 1e9).toFixed(1));
  if (bytes >= 1e6) return mega.replace("{number}", Math.round(bytes / 1e6));
  return kilo.replace("{number}", Math.round(bytes / 1e3));
}
