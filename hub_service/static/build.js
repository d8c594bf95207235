// The page "Build an image": shows the Dockerfile as it will be, and sends files along.

const form = document.getElementById("build");
if (form) {
  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => preview(form), 300);
  });
  document.getElementById("dockerfile-file")?.addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    form.elements.dockerfile.value = await file.text();
    preview(form);
  });
  document.getElementById("context-file")?.addEventListener("change", (event) => send(form, event.target.files[0]));
  preview(form);
}

async function preview(form) {
  const fields = form.elements;
  const words = (name) => fields[name].value.split(/[\s,]+/).filter(Boolean);
  const body = fields.way.value === "packages"
    ? { form: { base: fields.base.value, apt: words("apt"), pip: words("pip"), r: words("r"), note: fields.note.value } }
    : { dockerfile: fields.dockerfile.value };
  const reply = await fetch(form.dataset.preview, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-XSRFToken": form.dataset.xsrf },
    body: JSON.stringify(body),
  });
  const answer = await reply.json();
  if (reply.ok) show(form, answer.dockerfile, answer.problems);
  else show(form, null, [{ message: answer.error.message }]);
}

function show(form, source, problems) {
  const place = document.getElementById("build-source");
  if (source !== null) {
    const wrong = new Set(problems.map((problem) => problem.line));
    place.replaceChildren(...source.replace(/\n$/, "").split("\n").map((line, index) => {
      const row = document.createElement("span");
      row.textContent = `${line}\n`;
      row.dataset.line = index + 1;
      if (wrong.has(index + 1)) row.className = "wrong";
      return row;
    }));
  }
  // Near the button too: on a narrow screen the list is far below it.
  const refused = document.getElementById("build-refused");
  const [first] = problems;
  refused.hidden = !first;
  if (first) refused.textContent = (first.line ? `${form.dataset.line.replace("{line}", first.line)}: ` : "") + first.message;
  document.getElementById("build-problems").replaceChildren(...problems.map((problem) => {
    const item = document.createElement("li");
    if (problem.line) {
      const line = document.createElement("strong");
      line.textContent = `${form.dataset.line.replace("{line}", problem.line)} `;
      item.append(line);
    }
    item.append(problem.message);
    return item;
  }));
}

function send(form, file) {
  const state = document.getElementById("context-state");
  const button = document.getElementById("build-button");
  form.elements.context.value = "";
  state.textContent = "";
  if (!file) return;
  // fetch tells nothing of how far an upload is.
  const request = new XMLHttpRequest();
  request.open("POST", form.dataset.contexts);
  request.setRequestHeader("X-XSRFToken", form.dataset.xsrf);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.addEventListener("progress", (event) => {
    state.textContent = form.dataset.sending.replace("{percent}", Math.round((100 * event.loaded) / event.total));
  });
  request.addEventListener("loadend", () => {
    button.disabled = false;
    const answer = request.responseText ? JSON.parse(request.responseText) : {};
    form.elements.context.value = answer.id ?? "";
    state.textContent = answer.id ? form.dataset.sent : answer.error?.message ?? form.dataset.broken;
  });
  button.disabled = true;
  request.send(file);
}
