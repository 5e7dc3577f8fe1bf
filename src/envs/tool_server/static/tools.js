"use strict";

// What comes from the environment is put into the page as text, never as HTML.

const environment = encodeURIComponent(document.body.dataset.environment);
const reward = document.getElementById("reward");
const state = document.getElementById("state");
let total = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// What the server answers, as {value} or {problem}.
async function ask(path, method, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    const response = await fetch(path, { method, headers, body: JSON.stringify(body) });
    const value = await response.json();
    return response.ok ? { value } : { problem: String(value.detail) };
  } catch (error) {
    return { problem: `the server did not answer (${error.message})` };
  }
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // for the tool to refuse, as it would refuse an agent's
  }
}

function argumentsIn(section) {
  const given = Object.create(null);
  for (const field of section.querySelectorAll("textarea")) {
    if (field.value !== "") given[field.name] = "text" in field.dataset ? field.value : readJson(field.value);
  }
  return given;
}

function shown(given, { value, problem }) {
  const box = element("div", "answer", "");
  box.append(element("pre", "call", JSON.stringify(given)));
  if (problem !== undefined) {
    box.append(element("pre", "problem", problem));
    return box;
  }
  for (const message of value.messages) {
    const content = typeof message.content === "string" ? message.content : JSON.stringify(message.content);
    const line = element("div", "message", "");
    line.append(element("span", "role", message.role), element("pre", "content", content));
    box.append(line);
  }
  const end = value.done ? "; the episode is over" : value.truncated ? "; the episode was cut short" : "";
  box.append(element("p", "outcome", `reward ${value.reward}${end}`));
  return box;
}

async function call(section) {
  const button = section.querySelector("button");
  const given = argumentsIn(section);
  const path = `${encodeURIComponent(section.dataset.tool)}?environment_id=${environment}`;
  button.disabled = true;
  const answer = await ask(path, "POST", given);
  button.disabled = false;
  total += answer.value?.reward ?? 0;
  reward.textContent = String(total);
  section.querySelector(".answers").prepend(shown(given, answer));
}

for (const section of document.querySelectorAll(".tool")) {
  section.addEventListener("submit", (event) => {
    event.preventDefault();
    call(section);
  });
}

document.getElementById("again").addEventListener("click", async () => {
  await ask(`env/delete/${environment}`, "POST");
  location.reload();
});

document.getElementById("view").addEventListener("click", async () => {
  const { value, problem } = await ask(`env/view/${environment}`, "GET");
  state.hidden = false;
  state.textContent = problem ?? JSON.stringify(value, null, 2);
});
