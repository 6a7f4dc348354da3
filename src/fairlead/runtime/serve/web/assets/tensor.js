// The field of a tensor: a file or numbers in, elements held until the form is sent, and a sight of what they are.

import { Wrong, columnOf, numbersFrom, packed } from "./numbers.js";
import { draw, elementsOf as elementsOfPixels, pixelsOf } from "./picture.js";

const MOST_TEXT = 64e6;
const MOST_SHOWN = 4096;

// By field: {column, file, text, elements, pixels, name, problem, culprit, written, turn, work}.
const states = new WeakMap();

export function startTensors(form) {
  for (const field of tensors(form)) {
    const [file, text] = [field.querySelector("input[type=file]"), field.querySelector("textarea")];
    const state = { column: columnOf(field), file, text, turn: 0 };
    states.set(field, state);
    frame(field, state.column);
    empty(field, state);
    file.addEventListener("change", () => {
      if (file.files.length) chosen(field, state, file.files[0]);
      else forget(field, state);
    });
    text.addEventListener("input", () => typing(field, state));
    for (const choice of field.querySelectorAll(".fitting input")) {
      choice.addEventListener("change", () => fitted(field, state));
    }
    startDropping(field, file);
    // Some browsers keep the choice over a reload.
    if (file.files.length) chosen(field, state, file.files[0]);
  }
}

// As large as fits, whatever its proportions.
function frame(field, { picture }) {
  if (picture) field.querySelector("canvas").style.width = `min(100%, 14rem, ${(18 * picture.width) / picture.height}rem)`;
}

function tensors(form) {
  return form.querySelectorAll(".field.tensor");
}

// The elements of a field as the server takes them. Throws Wrong.
export function tensorOf(field) {
  const state = states.get(field);
  const text = state.text.value;
  if (text.trim() && text !== state.written) {
    state.culprit = state.text;
    written(field, state, text);
  }
  if (state.problem) throw new Wrong(state.problem);
  if (!state.elements) throw new Wrong(state.column.picture ? "Choose an image." : "Must be given.");
  return packed(state.elements, state.column);
}

// What `tensorOf` gave, as numbers, and how many of them there are in the first dimension's place.
export function elementsOf(field) {
  const { elements, column } = states.get(field);
  return { elements, width: column.size / column.shape[0] };
}

// The control that a problem of the field is about.
export function controlOfTensor(field) {
  return states.get(field).culprit;
}

// Once every file that was chosen has been read.
export function settled(form) {
  return Promise.all([...tensors(form)].map((field) => states.get(field).work));
}

export function clearTensors(form) {
  for (const field of tensors(form)) forget(field, states.get(field));
}

// Made-up elements: a ramp from dark to bright.
export function exampleTensors(form) {
  for (const field of tensors(form)) {
    const state = states.get(field);
    const { column } = state;
    forget(field, state);
    state.file.value = "";
    state.text.value = "";
    const [least, most] = [Math.max(column.low, column.least), Math.min(column.high, column.most)];
    const elements = Float64Array.from({ length: column.size }, (_, at) => {
      const value = least + (most - least) * slope(at, column);
      return column.whole ? Math.floor(value) : value;
    });
    if (!column.picture && column.size <= MOST_SHOWN) state.text.value = Array.from(elements, short).join(", ");
    state.written = state.text.value;
    taken(field, state, state.written ? Float64Array.from(elements, (one) => Number(short(one))) : elements, "made-up values");
  }
}

function slope(at, { picture, size }) {
  if (!picture) return at / Math.max(1, size - 1);
  const { height, width, channels, first } = picture;
  const pixel = first ? at % (height * width) : Math.floor(at / channels);
  return ((pixel % width) + Math.floor(pixel / width)) / (width + height - 2);
}

function empty(field, state) {
  state.turn += 1;
  const nothing = { elements: null, pixels: null, name: "", problem: "", written: "", work: Promise.resolve() };
  Object.assign(state, nothing, { culprit: field.querySelector("input, textarea, select") });
  return state.turn;
}

function forget(field, state) {
  empty(field, state);
  silence(field);
  say(field, "");
  show(field, state);
}

// Read a file that was chosen or dropped.
function chosen(field, state, file) {
  const turn = empty(field, state);
  state.text.value = "";
  silence(field);
  say(field, "Reading…");
  state.work = (state.column.picture ? pixelsOf(file) : numbersIn(file, state.column)).then(
    (got) => {
      if (turn !== state.turn) return;
      if (got.data) {
        Object.assign(state, { pixels: got, name: file.name });
        fitted(field, state);
      } else taken(field, state, got, file.name);
    },
    (wrong) => {
      if (turn !== state.turn) return;
      say(field, "");
      show(field, state);
      complain(field, state, wrong);
      state.file.focus();
    },
  );
}

async function numbersIn(file, column) {
  if (file.size > MOST_TEXT) throw new Wrong(`This file is too large: at most ${MOST_TEXT / 1e6} MB are read.`);
  return numbersFrom(await file.text(), column);
}

// Numbers are being written by hand. What is wrong with them is told when they are sent: while they are written nothing
// is, and words that appear when the field is left would move the button away that is being pressed.
function typing(field, state) {
  forget(field, state);
  state.file.value = "";
  const text = state.text.value;
  if (!text.trim() || state.column.size > MOST_SHOWN) return;
  try {
    written(field, state, text);
  } catch (wrong) {
    if (!(wrong instanceof Wrong)) throw wrong;
  }
}

function written(field, state, text) {
  taken(field, state, numbersFrom(text, state.column), "the numbers below");
  state.written = text;
}

// Make the elements of the image anew, after another choice of how.
function fitted(field, state) {
  const fit = field.querySelector(".fitting input[type=radio]:checked").value;
  const invert = field.querySelector(".invert").checked;
  const [width, height] = state.pixels.of;
  const name = `${state.name}, ${width} by ${height} pixels`;
  taken(field, state, elementsOfPixels(state.pixels, state.column, { fit, invert }), name);
}

function taken(field, state, elements, name) {
  state.elements = elements;
  say(field, `Read ${name}.${state.column.picture ? "" : ` ${summary(elements)}.`}`);
  show(field, state, name);
}

function summary(elements) {
  const least = elements.reduce((one, other) => Math.min(one, other));
  const most = elements.reduce((one, other) => Math.max(one, other));
  const mean = elements.reduce((one, other) => one + other / elements.length, 0);
  // What is left of rounding is no mean.
  const shown = Math.abs(mean) < (most - least) * 1e-9 ? 0 : mean;
  return `${elements.length} numbers from ${short(least)} to ${short(most)}, ${short(shown)} on average`;
}

function short(number) {
  return String(Number(number.toPrecision(4)));
}

// The sight of what is held, for eyes and for readers; what was fitted can be fitted otherwise.
function show(field, state, name) {
  const sight = field.querySelector(".sight");
  if (!sight) return;
  sight.hidden = !state.elements;
  if (!state.elements) return;
  const canvas = sight.querySelector("canvas");
  draw(canvas, state.elements, state.column);
  canvas.setAttribute("aria-label", `What the model sees of ${name}: ${summary(state.elements)}`);
  sight.querySelector(".fitting").hidden = !state.pixels;
}

function say(field, words) {
  field.querySelector(".status").textContent = words;
}

// A file cannot be taken.
function complain(field, state, wrong) {
  if (!(wrong instanceof Wrong)) throw wrong;
  Object.assign(state, { problem: wrong.message, culprit: state.file });
  const error = field.querySelector(".error");
  error.textContent = wrong.message;
  error.hidden = false;
  state.file.setAttribute("aria-invalid", "true");
}

function silence(field) {
  const error = field.querySelector(".error");
  error.hidden = true;
  error.textContent = "";
  for (const control of field.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

// A file may be dropped anywhere on the field.
function startDropping(field, file) {
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    field.classList.toggle("over", event.type === "dragover");
    if (event.type !== "drop" || !event.dataTransfer.files.length) return;
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    file.files = one.files;
    for (const kind of ["input", "change"]) file.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  for (const kind of ["dragover", "dragleave", "drop"]) field.addEventListener(kind, over);
}
