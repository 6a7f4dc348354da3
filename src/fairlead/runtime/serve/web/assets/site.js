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
    const path = location.pathname === "/" ? "/docs" : location.pathname;
    const said = await ask(`${path}/contents`);
    if (!said.ok) {
      complain(problem, field, said.problem);
      return;
    }
    const inside = document.querySelector("#inside");
    const got = new DOMParser().parseFromString(said.body, "text/html");
    field.value = "";
    inside.replaceChildren(...got.body.childNodes);
    document.querySelector("#main > h1").remove();
    door.remove();
    furnish(inside);
    const title = inside.querySelector("h1");
    document.title = `${title.textContent} · Fairlead`;
    title.tabIndex = -1;
    title.focus();
  });
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
