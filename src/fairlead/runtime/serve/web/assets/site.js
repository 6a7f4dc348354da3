// Every page: fill in the server's own address, ask for the key where one is needed, and set up the form.

import { ask, useKey } from "./asking.js";
import { startForm } from "./form.js";

function furnish(root) {
  for (const place of root.querySelectorAll(".origin")) place.textContent = location.origin;
  if (root.querySelector("#ask")) startForm(root);
}

function startDoor(door) {
  const field = door.querySelector("#key");
  const problem = door.querySelector("#door-problem");
  door.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    if (!field.value.trim()) {
      complain(problem, field, "Enter a key or token.");
      return;
    }
    useKey(field.value);
    const problemSaid = await enter(location.pathname);
    if (problemSaid) {
      complain(problem, field, problemSaid);
      return;
    }
    field.value = "";
    document.querySelector("#main > h1").remove();
    door.remove();
    // Another page would ask for the key again, so pages of models are opened within this one.
    document.addEventListener("click", follow);
    addEventListener("popstate", () => location.reload());
  });
}

// Show the contents of a page; "" or words about why not.
async function enter(path) {
  const said = await ask(`${path === "/" ? "/docs" : path}/contents`);
  if (!said.ok) return said.problem;
  const inside = document.querySelector("#inside");
  const got = new DOMParser().parseFromString(said.body, "text/html");
  inside.replaceChildren(...got.body.childNodes);
  furnish(inside);
  const title = inside.querySelector("h1");
  document.title = `${title.textContent} · Fairlead`;
  title.tabIndex = -1;
  title.focus();
  return "";
}

async function follow(event) {
  const path = event.target.closest("a")?.getAttribute("href") ?? "";
  if (!/^\/(docs|models\/[^/]+)$/.test(path) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (await enter(path)) location.assign(path);
  else history.pushState(null, "", path);
}

function complain(problem, field, words) {
  problem.textContent = words;
  problem.hidden = false;
  field.setAttribute("aria-invalid", "true");
  field.focus();
}

const door = document.querySelector("#door");
if (door) startDoor(door);
furnish(document);
