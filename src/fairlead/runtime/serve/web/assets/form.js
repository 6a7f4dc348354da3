// The form of a model: reads its fields, asks, and shows what is wrong at the field it is about.

import { ask, sentence } from "./asking.js";
import { hideAnswer, markStale, showAnswer, startCorrection } from "./answer.js";
import { NUMBER, Wrong } from "./numbers.js";
import { clearTensors, controlOfTensor, elementsOf, exampleTensors, settled, startTensors, tensorOf } from "./tensor.js";

export function startForm(root) {
  const form = root.querySelector("#ask");
  const status = root.querySelector("#asking");
  const submit = form.querySelector("button[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.getAttribute("aria-disabled") === "true") return;
    // Not `disabled`: that would throw the focus of a keyboard user away.
    submit.setAttribute("aria-disabled", "true");
    try {
      await settled(form);
      await send(root, form, status);
    } finally {
      submit.removeAttribute("aria-disabled");
    }
  });
  form.addEventListener("reset", () => {
    clearProblems(form);
    hideAnswer(root);
    clearTensors(form);
    for (const other of form.querySelectorAll("input.other")) other.hidden = true;
    status.textContent = "The form was cleared.";
  });
  form.addEventListener("input", () => markStale(root));
  form.addEventListener("change", (event) => reveal(event.target));
  root.querySelector("#example").addEventListener("click", () => fillIn(root, form, status));
  startTensors(form);
  startCorrection(root);
}

async function send(root, form, status) {
  clearProblems(form);
  const [row, problems] = readRow(form);
  if (problems.length) {
    showProblems(form, problems);
    return;
  }
  status.textContent = "Asking…";
  const said = await ask(form.dataset.predict, row);
  status.textContent = "";
  const history = form.querySelector('.field.tensor[data-column="history"]');
  if (said.ok) showAnswer(root, said.body.predictions[0], said.id, history ? elementsOf(history) : null);
  else showProblems(form, [locate(form, said.problem)]);
}

// "Another value…" opens a field for it.
function reveal(control) {
  if (!control.matches("select")) return;
  const other = control.parentElement.querySelector("input.other");
  if (!other) return;
  other.hidden = control.value !== "+";
  if (!other.hidden) other.focus();
}

function fillIn(root, form, status) {
  for (const field of form.querySelectorAll(".field[data-example]")) {
    const control = controlOf(field);
    const value = field.dataset.example;
    control.value = control.matches("select") ? `=${value}` : value;
    const other = field.querySelector("input.other");
    if (other) other.hidden = true;
  }
  exampleTensors(form);
  clearProblems(form);
  markStale(root);
  status.textContent = "Filled in with made-up values.";
}

function controlOf(field) {
  return field.matches(".tensor") ? controlOfTensor(field) : field.querySelector("select, textarea, input");
}

function readRow(form) {
  const row = {};
  const problems = [];
  for (const field of form.querySelectorAll(".field")) {
    try {
      const value = read(field);
      if (value !== null || !("passed" in field.dataset)) row[field.dataset.column] = value;
    } catch (wrong) {
      if (!(wrong instanceof Wrong)) throw wrong;
      problems.push({ field, words: wrong.message });
    }
  }
  return [row, problems];
}

// One value as the server takes it; null where nothing was given. Throws Wrong.
export function read(field) {
  if (field.dataset.kind === "tensor") return tensorOf(field);
  const control = controlOf(field);
  if (control.validity.badInput) throw new Wrong("Complete the date and the time, or clear both.");
  const given = written(field, control);
  if (given === null) {
    if ("required" in field.dataset) throw new Wrong("Must be given.");
    return null;
  }
  const { kind } = field.dataset;
  if (kind === "boolean") return given === "true";
  return kind === "number" || kind === "integer" ? numberOf(given, field) : given;
}

// The text of a control, null when it is empty.
function written(field, control) {
  if (control.matches("select")) {
    if (control.value === "+") {
      const typed = field.querySelector("input.other").value.trim();
      if (!typed) throw new Wrong("Write the other value, or choose one from the list.");
      return typed;
    }
    return control.value === "" ? null : control.value.slice(1);
  }
  const text = control.value.trim();
  return text === "" ? null : text;
}

function numberOf(text, field) {
  const { kind, minimum, maximum } = field.dataset;
  if (/^[+-]?\d+,\d+$/.test(text)) throw new Wrong("Write a number with a point, as 3.5.");
  const number = Number(text);
  if (!NUMBER.test(text) || !Number.isFinite(number)) {
    throw new Wrong(kind === "integer" ? "Write a whole number in digits." : "Write a number in digits, as 3.5.");
  }
  if (kind === "integer" && !Number.isInteger(number)) throw new Wrong("Write a whole number, without a fraction.");
  if (minimum !== undefined && number < Number(minimum)) throw new Wrong(`Must be ${minimum} or more.`);
  if (maximum !== undefined && number > Number(maximum)) throw new Wrong(`Must be ${maximum} or less.`);
  return number;
}

// A problem as the server told it, with the field that it names.
function locate(form, words) {
  for (const field of form.querySelectorAll(".field")) {
    const mark = `${field.dataset.said}: `;
    const at = words.indexOf(mark);
    if (at >= 0) return { field, words: sentence(words.slice(at + mark.length)) };
  }
  return { field: null, words };
}

function showProblems(form, problems) {
  const box = form.querySelector("#problems");
  const title = document.createElement("h2");
  title.textContent = problems.length === 1 ? "There is a problem" : `There are ${problems.length} problems`;
  const list = document.createElement("ul");
  for (const { field, words } of problems) {
    const item = document.createElement("li");
    item.append(field ? linkTo(field, words) : words);
    list.append(item);
  }
  box.replaceChildren(title, list);
  box.hidden = false;
  box.focus();
}

function linkTo(field, words) {
  let control = controlOf(field);
  const error = field.querySelector(".error");
  error.textContent = words;
  error.hidden = false;
  control.closest("details")?.setAttribute("open", "");
  const other = field.querySelector("input.other:not([hidden])");
  for (const one of other ? [control, other] : [control]) one.setAttribute("aria-invalid", "true");
  if (other) {
    other.setAttribute("aria-describedby", error.id);
    control = other;
  }
  const link = document.createElement("a");
  link.href = `#${controlOf(field).id}`;
  link.textContent = `${field.dataset.column}: ${words}`;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    control.focus();
  });
  return link;
}

function clearProblems(form) {
  form.querySelector("#problems").hidden = true;
  for (const error of form.querySelectorAll(".error")) {
    error.hidden = true;
    error.textContent = "";
  }
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}
