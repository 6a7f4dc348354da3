// The elements of a tensor: what a field says of its column, numbers from text, and the form in which they are sent.

export const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// What a person has to put right, in words.
export class Wrong extends Error {}

const VIEWS = {
  uint8: ["setUint8", 1],
  int8: ["setInt8", 1],
  uint16: ["setUint16", 2],
  int16: ["setInt16", 2],
  int32: ["setInt32", 4],
  float32: ["setFloat32", 4],
  float64: ["setFloat64", 8],
};
const MOST = { float16: 65504, float32: 3.4028234663852886e38, float64: Number.MAX_VALUE };
const AT_ONCE = 0x6000;

// What the markup says of a column. low, high: the elements of black and of white. picture: null where it is no image.
export function columnOf(field) {
  const { dtype, shape, low, high, least, most, picture } = field.dataset;
  const edges = shape.split(",").map(Number);
  const [height, width, channels] = (picture ?? "").split(",").map(Number);
  return {
    dtype,
    shape: edges,
    size: edges.reduce((one, other) => one * other),
    whole: !(dtype in MOST),
    low: Number(low),
    high: Number(high),
    least: least === undefined ? -MOST[dtype] : Number(least),
    most: most === undefined ? MOST[dtype] : Number(most),
    picture: picture ? { height, width, channels, first: "channelsFirst" in field.dataset } : null,
  };
}

// Nested or flat lists as JSON, or numbers with anything usual between them. Throws Wrong.
export function numbersFrom(text, column) {
  const given = text.trim();
  const found = given.startsWith("[") || given.startsWith("{") ? fromJson(given, column) : fromText(given);
  if (found.length !== column.size) {
    throw new Wrong(`Found ${found.length} number${found.length === 1 ? "" : "s"}, expected ${column.size}.`);
  }
  found.forEach((number, at) => check(number, at, column));
  return Float64Array.from(found);
}

function fromJson(text, column) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Wrong("This is not valid JSON.");
  }
  if (!Array.isArray(found)) throw new Wrong("Write a list of numbers.");
  const flat = found.flat(column.shape.length);
  const odd = flat.findIndex((one) => typeof one !== "number");
  if (odd >= 0) throw new Wrong(`Number ${odd + 1} is none: write it in digits, as 3.5.`);
  if (found.some(Array.isArray) && flat.length === column.size && !nestedAs(found, column.shape)) {
    throw new Wrong(`Nest the lists as ${column.shape.join(" × ")}, or give one list.`);
  }
  return flat;
}

function nestedAs(list, [edge, ...rest]) {
  if (list.length !== edge) return false;
  return list.every((one) => (rest.length ? Array.isArray(one) && nestedAs(one, rest) : typeof one === "number"));
}

function fromText(text) {
  const parts = text.split(/[\s,;]+/).filter(Boolean);
  const odd = parts.findIndex((part) => !NUMBER.test(part));
  if (odd >= 0) throw new Wrong(`Number ${odd + 1} is none: write it in digits, as 3.5.`);
  return parts.map(Number);
}

function check(number, at, { whole, least, most }) {
  if (whole && !Number.isInteger(number)) throw new Wrong(`Number ${at + 1} must be whole.`);
  if (number < least) throw new Wrong(`Number ${at + 1} must be ${least} or more.`);
  if (number > most) throw new Wrong(`Number ${at + 1} must be ${most} or less.`);
}

// Elements as the server takes them: their bytes, or a list where browsers do not know the dtype.
export function packed(elements, { dtype }) {
  if (!(dtype in VIEWS)) return Array.from(elements);
  const [write, size] = VIEWS[dtype];
  const view = new DataView(new ArrayBuffer(elements.length * size));
  elements.forEach((element, at) => view[write](at * size, element, true));
  const bytes = new Uint8Array(view.buffer);
  const parts = [];
  for (let at = 0; at < bytes.length; at += AT_ONCE) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + AT_ONCE)));
  }
  return { b64: btoa(parts.join("")) };
}
