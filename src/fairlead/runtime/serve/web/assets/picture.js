// From the file of an image to the elements of a tensor, and from elements back to what the eye sees.

import { Wrong } from "./numbers.js";

const MEGABYTE = 1e6;
const MOST_BYTES = 64 * MEGABYTE;
const MOST_PIXELS = 120e6;
// Browsers on phones keep no larger canvas; a larger image is first made smaller by the browser.
const KEPT_PIXELS = 16e6;
// ITU-R BT.601, as Pillow and OpenCV turn colours into grey.
const LUMA = [0.299, 0.587, 0.114];

// The pixels of a file: {data: RGBA bytes without transparency, width, height, of: [width, height] of the file}.
// Throws Wrong.
export async function pixelsOf(file) {
  if (!file.size) throw new Wrong("This file is empty.");
  if (file.size > MOST_BYTES) {
    throw new Wrong(`This file is too large: ${Math.ceil(file.size / MEGABYTE)} MB. At most ${MOST_BYTES / MEGABYTE} MB are read.`);
  }
  let bitmap;
  try {
    // Cameras write down how they were held instead of turning the image.
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Wrong("This is not an image that this browser can read. Choose a PNG, JPEG, WebP or GIF file.");
  }
  try {
    return drawnPixels(bitmap);
  } finally {
    bitmap.close();
  }
}

function drawnPixels(bitmap) {
  const area = bitmap.width * bitmap.height;
  if (area > MOST_PIXELS) throw new Wrong(`This image has too many pixels: at most ${MOST_PIXELS / 1e6} million are read.`);
  const smaller = Math.min(1, Math.sqrt(KEPT_PIXELS / area));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(bitmap.width * smaller));
  canvas.height = Math.max(1, Math.floor(bitmap.height * smaller));
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) throw new Wrong("This browser could not open the image.");
  // What is transparent lies on white, as on paper.
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const { data, width, height } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return { data, width, height, of: [bitmap.width, bitmap.height] };
}

// The elements of a column from pixels. fit: crop, stretch or pad; invert: bright becomes dark.
export function elementsOf(pixels, column, { fit, invert }) {
  const { height, width, channels, first } = column.picture;
  const frame = framed(pixels, width, height, fit);
  const shades = channels === 1 ? grey(frame.data) : frame.data;
  const image = inFrame({ ...frame, data: shades }, width, height, channels);
  const elements = new Float64Array(column.size);
  const area = width * height;
  image.forEach((shade, at) => {
    const place = first ? (at % channels) * area + Math.floor(at / channels) : at;
    elements[place] = element(invert ? 255 - shade : shade, column);
  });
  return elements;
}

function element(shade, { low, high, least, most, whole }) {
  const value = low + (shade / 255) * (high - low);
  return Math.min(most, Math.max(least, whole ? Math.round(value) : value));
}

// The part of an image that is wanted, scaled: {data: RGB 0 to 255, width, height, left, top: its place in the frame}.
function framed({ data, width: w, height: h }, width, height, fit) {
  let [cut, into] = [[0, 0, w, h], [width, height]];
  if (fit === "crop") {
    const scale = Math.min(w / width, h / height);
    const [wide, high] = [Math.min(w, width * scale), Math.min(h, height * scale)];
    // From a whole pixel on: half a pixel aside would blur what needs no scaling.
    cut = [Math.floor((w - wide) / 2), Math.floor((h - high) / 2), wide, high];
  } else if (fit === "pad") {
    const scale = Math.min(width / w, height / h);
    into = [w, h].map((edge) => Math.max(1, Math.round(edge * scale)));
  }
  const across = weights(cut[0], cut[2], into[0], w);
  const down = weights(cut[1], cut[3], into[1], h);
  const [left, top] = [width - into[0], height - into[1]].map((room) => Math.floor(room / 2));
  return { data: resampled(data, w, across, down), width: into[0], height: into[1], left, top };
}

// For each of `count` pixels: where its sources begin and how much each counts. Made smaller, a pixel is the mean of all
// that it covers; made larger, it lies between its two nearest.
function weights(start, length, count, most) {
  const step = length / count;
  return Array.from({ length: count }, (_, at) => {
    if (step < 1) {
      const centre = Math.min(most - 1, Math.max(0, start + (at + 0.5) * step - 0.5));
      const from = Math.min(Math.floor(centre), Math.max(0, most - 2));
      return { from, shares: most === 1 ? [1] : [1 - (centre - from), centre - from] };
    }
    const [begin, end] = [start + at * step, start + (at + 1) * step];
    const from = Math.floor(begin);
    const shares = [];
    for (let pixel = from; pixel < Math.min(most, end); pixel += 1) {
      shares.push(Math.min(pixel + 1, end) - Math.max(pixel, begin));
    }
    const whole = shares.reduce((one, other) => one + other, 0);
    return { from, shares: shares.map((share) => share / whole) };
  });
}

function resampled(data, wide, across, down) {
  const [width, height] = [across.length, down.length];
  const [first, last] = [down[0].from, down[height - 1].from + down[height - 1].shares.length];
  const rows = new Float64Array((last - first) * width * 3);
  for (let y = first; y < last; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const { from, shares } = across[x];
      const to = ((y - first) * width + x) * 3;
      for (let at = 0; at < shares.length; at += 1) {
        const source = (y * wide + from + at) * 4;
        for (let c = 0; c < 3; c += 1) rows[to + c] += shares[at] * data[source + c];
      }
    }
  }
  const out = new Float64Array(width * height * 3);
  down.forEach(({ from, shares }, y) => {
    for (let at = 0; at < shares.length; at += 1) {
      const source = (from - first + at) * width * 3;
      for (let x = 0; x < width * 3; x += 1) out[y * width * 3 + x] += shares[at] * rows[source + x];
    }
  });
  return out;
}

function grey(colours) {
  const out = new Float64Array(colours.length / 3);
  for (let at = 0; at < out.length; at += 1) {
    const [red, green, blue] = colours.subarray(at * 3, at * 3 + 3);
    // What is grey already stays exactly what it is.
    out[at] = red === green && green === blue ? red : LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue;
  }
  return out;
}

// The image in its frame; what is left free is as its edge is on average, so that ground goes on as ground.
function inFrame({ data, width: w, height: h, left, top }, width, height, channels) {
  if (w === width && h === height) return data;
  const edge = meanEdge(data, w, h, channels);
  const out = new Float64Array(width * height * channels);
  for (let at = 0; at < out.length; at += 1) {
    const pixel = Math.floor(at / channels);
    const [x, y, c] = [(pixel % width) - left, Math.floor(pixel / width) - top, at % channels];
    out[at] = x >= 0 && x < w && y >= 0 && y < h ? data[(y * w + x) * channels + c] : edge[c];
  }
  return out;
}

function meanEdge(data, w, h, channels) {
  const sums = new Float64Array(channels);
  let count = 0;
  for (let pixel = 0; pixel < w * h; pixel += 1) {
    const [x, y] = [pixel % w, Math.floor(pixel / w)];
    if (x > 0 && x < w - 1 && y > 0 && y < h - 1) continue;
    count += 1;
    for (let c = 0; c < channels; c += 1) sums[c] += data[pixel * channels + c];
  }
  return sums.map((sum) => sum / count);
}

// Draw elements: what the model will see, element by element.
export function draw(canvas, elements, { low, high, picture: { height, width, channels, first } }) {
  const image = new ImageData(width, height);
  const area = width * height;
  for (let pixel = 0; pixel < area; pixel += 1) {
    for (let c = 0; c < 3; c += 1) {
      const channel = channels === 1 ? 0 : c;
      const value = elements[first ? channel * area + pixel : pixel * channels + channel];
      image.data[pixel * 4 + c] = Math.round(((value - low) / (high - low)) * 255);
    }
    image.data[pixel * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
