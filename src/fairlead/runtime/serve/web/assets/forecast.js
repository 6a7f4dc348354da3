// The answer of a model that forecasts: a line of the newest values and of those to come, and the same as a table.

import { NUMBER, Wrong } from "./numbers.js";

const [WIDTH, HEIGHT, EDGE] = [380, 190, 16];
const MOST_SHOWN = 400;
const SVG = "http://www.w3.org/2000/svg";

// history: the elements that were sent, (lags, width) row by row; empty where they are not known.
export function forecastOf(forecast, history, width) {
  const series = Array.from(history).filter((_, at) => at % width === 0);
  // As much of the past as makes the future seen.
  const past = series.slice(-Math.min(MOST_SHOWN, Math.max(3 * forecast.length, 24)));
  const figure = document.createElement("figure");
  figure.className = "forecast";
  const words = document.createElement("figcaption");
  words.textContent = `${past.length ? `The newest ${past.length} values, then t+1` : "t+1"} to t+${forecast.length}.`;
  figure.append(picture(past, forecast), words);
  return [figure, table(forecast)];
}

function picture(past, forecast) {
  const all = [...past, ...forecast];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (at) => EDGE + (at * (WIDTH - 2 * EDGE)) / Math.max(1, all.length - 1);
  const y = (value) => HEIGHT - EDGE - ((value - low) * (HEIGHT - 2 * EDGE)) / (high - low || 1);
  const line = (kind, values, first) =>
    made("polyline", { class: kind, points: values.map((value, at) => `${x(first + at).toFixed(1)},${y(value).toFixed(1)}`).join(" ") });
  const said = `Forecast from ${shown(forecast[0])} to ${shown(forecast.at(-1))}; values lie between ${shown(low)} and ${shown(high)}.`;
  const svg = made("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said });
  if (past.length) {
    const now = x(past.length - 1).toFixed(1);
    svg.append(made("line", { class: "now", x1: now, x2: now, y1: 0, y2: HEIGHT }), line("past", past, 0));
  }
  svg.append(line("next", [...past.slice(-1), ...forecast], Math.max(0, past.length - 1)));
  for (const [at, value] of forecast.entries()) {
    svg.append(made("circle", { class: "next", cx: x(past.length + at).toFixed(1), cy: y(value).toFixed(1), r: forecast.length > 60 ? 1 : 2 }));
  }
  svg.append(text(shown(high), EDGE), text(shown(low), HEIGHT - 3));
  return svg;
}

function text(words, y) {
  const one = made("text", { x: 2, y });
  one.textContent = words;
  return one;
}

function made(name, attributes) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  return one;
}

function table(forecast) {
  const whole = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "The values";
  const list = document.createElement("ol");
  list.className = "steps";
  list.append(
    ...forecast.map((value, at) => {
      const item = document.createElement("li");
      item.textContent = `t+${at + 1}: ${shown(value)}`;
      item.title = String(value);
      return item;
    }),
  );
  whole.className = "more";
  whole.open = forecast.length <= 12;
  whole.append(summary, list);
  return whole;
}

// At most six digits that count.
function shown(number) {
  return Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(6)));
}

// The values that came, as people write them: null for a dash. Throws Wrong.
export function stepsFrom(words, most) {
  const parts = words.split(/[\s,;[\]]+/).filter(Boolean);
  const steps = parts.map((part, at) => {
    if (/^(-|–|\?|null)$/i.test(part)) return null;
    if (!NUMBER.test(part)) throw new Wrong(`Value ${at + 1} is no number: write it in digits, as 3.5, or - for none.`);
    return Number(part);
  });
  if (steps.length > most) throw new Wrong(`Found ${steps.length} values, the forecast has ${most}.`);
  if (!steps.some((step) => step !== null)) throw new Wrong("Give at least one value that came.");
  return steps;
}
