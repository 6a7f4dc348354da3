// What the model said, and "this is wrong": a correction sent to the server under the id of the answer.

import { ask } from "./asking.js";
import { forecastOf, stepsFrom } from "./forecast.js";
import { Wrong } from "./numbers.js";

const MOST_SHOWN = 10;

// past: of a forecast the elements of its history, and how many there are a step.
export function showAnswer(root, prediction, id, past) {
  const part = root.querySelector("#answer");
  const title = part.querySelector("#said");
  const shares = part.querySelector("#shares");
  if (prediction?.forecast) {
    const { forecast } = prediction;
    title.textContent = forecast.length === 1 ? `Answer: ${shown(forecast[0])} next` : `Answer: the next ${forecast.length} values`;
    shares.replaceChildren(...forecastOf(forecast, past?.elements ?? [], past?.width ?? 1));
  } else if (prediction !== null && typeof prediction === "object") {
    title.textContent = `Answer: ${decision(prediction)}`;
    shares.replaceChildren(...(prediction.probabilities ? [listOf(prediction)] : []));
  } else {
    title.textContent = `Answer: ${shown(prediction)}`;
    const exact = document.createElement("p");
    exact.className = "fine";
    exact.textContent = `Exactly ${prediction}`;
    shares.replaceChildren(...(shown(prediction) === String(prediction) ? [] : [exact]));
  }
  part.querySelector("#answer-id").textContent = id;
  part.querySelector("#stale").hidden = true;
  closeCorrection(root);
  part.hidden = false;
  title.focus();
}

// A class, a cluster, or whether the row is an anomaly and how strange it is.
function decision({ label, cluster, anomaly, score, abstained }) {
  if (cluster !== undefined) return `cluster ${cluster}`;
  if (anomaly !== undefined) return `${anomaly ? "an anomaly" : "no anomaly"} (score ${shown(score)})`;
  return abstained ? `${label}? Not sure enough: a person should decide` : label;
}

export function hideAnswer(root) {
  root.querySelector("#answer").hidden = true;
}

export function markStale(root) {
  const part = root.querySelector("#answer");
  if (!part.hidden) part.querySelector("#stale").hidden = false;
}

// At most six digits that count.
function shown(number) {
  return Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(6)));
}

function percent(share) {
  if (share > 0 && share < 0.001) return "under 0.1 %";
  if (share < 1 && share > 0.999) return "over 99.9 %";
  return `${(share * 100).toFixed(1)} %`;
}

// Classes from the most to the least probable. The bars repeat what the words say, so they are hidden from readers.
function listOf({ label, probabilities }) {
  const list = document.createElement("ul");
  list.className = "shares";
  list.setAttribute("aria-label", "Probability of each class");
  const ranked = Object.entries(probabilities).sort((one, two) => two[1] - one[1]);
  for (const [name, share] of ranked.slice(0, MOST_SHOWN)) {
    const item = document.createElement("li");
    item.classList.toggle("chosen", name === label);
    const bar = document.createElement("span");
    bar.className = "bar";
    bar.setAttribute("aria-hidden", "true");
    const fill = document.createElement("span");
    fill.style.width = `${share * 100}%`;
    bar.append(fill);
    item.append(span("name", name), document.createTextNode(" "), span("share", percent(share)), bar);
    list.append(item);
  }
  if (ranked.length <= MOST_SHOWN) return list;
  const all = document.createElement("div");
  const rest = document.createElement("p");
  rest.className = "fine";
  rest.textContent = `and ${ranked.length - MOST_SHOWN} classes less probable than these`;
  all.append(list, rest);
  return all;
}

function span(kind, words) {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = words;
  return made;
}

export function startCorrection(root) {
  const form = root.querySelector("#correct");
  const button = root.querySelector("#wrong");
  button.addEventListener("click", () => {
    const open = form.hidden;
    form.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) form.querySelector("#correct-title").focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.dataset.sending) return;
    clear(form);
    const item = correction(root, form);
    if (item === null) return;
    button.dataset.sending = "yes";
    form.querySelector("#sent").textContent = "Sending…";
    const said = await ask(form.dataset.feedback, item);
    delete button.dataset.sending;
    form.querySelector("#sent").textContent = "";
    if (!said.ok) complain(form, said.problem);
    else if (said.body.accepted !== 1) complain(form, `Not taken: ${said.body.rejected[0].reason}.`);
    else form.querySelector("#sent").textContent = "Thank you. Your correction has arrived and was written down.";
  });
}

// One item of feedback, or null when there is nothing to send, which is then said.
function correction(root, form) {
  const item = { request: root.querySelector("#answer-id").textContent, row: 0 };
  const right = form.querySelector("input[name=right]:checked, #right");
  const given = right ? right.value.trim() : "";
  if (given.startsWith("=")) item.label = given.slice(1);
  else if (given && right.dataset.steps) {
    try {
      item.label = stepsFrom(given, Number(right.dataset.steps));
    } catch (wrong) {
      if (!(wrong instanceof Wrong)) throw wrong;
      return refuse(form, right, wrong.message);
    }
  } else if (given) {
    item.label = Number(given);
    if (!Number.isFinite(item.label)) return refuse(form, right, "Write a number in digits, as 3.5.");
  }
  const words = form.querySelector("#words").value.trim();
  if (words) item.comment = words;
  if (item.label !== undefined || words) return item;
  complain(form, "Give the right answer, or say in words what is wrong.");
  return null;
}

// What is wrong with the right answer, told at its field.
function refuse(form, right, words) {
  const error = form.querySelector("#right-error");
  error.textContent = words;
  error.hidden = false;
  right.setAttribute("aria-invalid", "true");
  right.focus();
  return null;
}

function complain(form, words) {
  const problem = form.querySelector("#correct-problem");
  problem.textContent = words;
  problem.hidden = false;
  problem.focus();
}

function clear(form) {
  form.querySelector("#correct-problem").hidden = true;
  for (const error of form.querySelectorAll(".error")) error.hidden = true;
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function closeCorrection(root) {
  const form = root.querySelector("#correct");
  form.reset();
  clear(form);
  form.hidden = true;
  form.querySelector("#sent").textContent = "";
  root.querySelector("#wrong").setAttribute("aria-expanded", "false");
}
