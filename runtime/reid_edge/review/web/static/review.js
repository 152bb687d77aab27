"use strict";
// Keys press the buttons that name them; everything else is the server's HTML, put in place by htmx.

const narrow = window.matchMedia("(max-width: 40rem)");
let lines = 1;  // 0 none, 1 the strongest, 2 more, 3 all
const LINES = 4;

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.parameters.column = narrow.matches ? "1" : "0";
});

function showLines() {
  const pair = document.querySelector("svg.pair");
  if (pair) pair.dataset.lines = String(lines);
}

// A decision belongs to what is on the screen: while the next question is on its way, keys and clicks wait.
let busy = false;
const inBackground = (event) => event.detail.requestConfig.elt.matches("[data-background]");
document.addEventListener("htmx:beforeRequest", (event) => { busy ||= !inBackground(event); });
document.addEventListener("htmx:afterRequest", (event) => { busy &&= inBackground(event); });
document.addEventListener("htmx:sendError", () => {
  document.getElementById("problem").innerHTML = "<p class=\"problem\">The server does not answer. What you decided last may not be stored: start it again, and look at the history.</p>";
});

document.addEventListener("htmx:afterSettle", () => {
  showLines();
  const question = document.getElementById("question");
  if (!question) return;
  for (const address of JSON.parse(question.dataset.ahead || "[]")) new Image().src = address;
  const title = document.getElementById("question-title");
  if (title && !document.activeElement.matches("input, textarea, select")) title.focus({ preventScroll: true });
  const editor = document.getElementById("box-editor");
  if (editor && !editor.dataset.ready) editBox(editor);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (["question", "groups"].includes(event.detail.target.id)) document.getElementById("problem").textContent = "";
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const at = event.target;
  if (at.matches("input:not([type=checkbox]), textarea, select")) {
    if (event.key === "Escape") at.blur();
    if (event.key === "Enter" && at.dataset.submits) {
      event.preventDefault();
      press(at.dataset.submits);
    }
    return;
  }
  if (event.key === "Enter" && at.matches("input")) return event.preventDefault();  // a ticked photo does not send its form
  if (event.key === "Enter" && at.matches("button, a, summary, label")) return;
  if (at.id === "box-editor" && event.key.startsWith("Arrow")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const field = document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
  if (field) {
    event.preventDefault();
    field.focus();
    field.select();
  } else if (press(key, event.repeat)) {
    event.preventDefault();
  }
});

function press(key, repeated = false) {
  const button = document.querySelector(`[data-keys~="${CSS.escape(key)}"]:not(:disabled)`);
  if (button && !repeated && !busy) button.click();
  return Boolean(button);
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-lines]") && event.target.closest("button")) {
    lines = (lines + 1) % LINES;
    showLines();
  }
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick-all]")) return;
  const name = event.target.dataset.tickAll || "sighting";
  for (const box of event.target.form.querySelectorAll(`input[name=${name}]`)) box.checked = event.target.checked;
});

// The box of an animal: dragged, drawn, or moved with the keys, in pixels of the photo.
function editBox(editor) {
  editor.dataset.ready = "1";
  const [wide, high] = editor.viewBox.baseVal ? [editor.viewBox.baseVal.width, editor.viewBox.baseVal.height] : [1, 1];
  const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  rectangle.setAttribute("class", "box");
  editor.append(rectangle);
  let box = editor.dataset.box.split(",").map(Number);
  let grip = null;

  const draw = () => {
    const [left, right] = [Math.min(box[0], box[2]), Math.max(box[0], box[2])];
    const [top, bottom] = [Math.min(box[1], box[3]), Math.max(box[1], box[3])];
    rectangle.setAttribute("x", left);
    rectangle.setAttribute("y", top);
    rectangle.setAttribute("width", right - left);
    rectangle.setAttribute("height", bottom - top);
    document.getElementById("box-value").value = [left, top, right, bottom].map((edge) => edge.toFixed(1)).join(",");
  };
  const inside = (value, most) => Math.max(0, Math.min(most, value));
  const point = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(editor.getScreenCTM().inverse());
    return [inside(at.x, wide), inside(at.y, high)];
  };
  editor.addEventListener("pointerdown", (event) => {
    const [x, y] = point(event);
    const near = Math.max(wide, high) / 40;
    const corner = [[0, 1], [2, 1], [0, 3], [2, 3]].find(([i, j]) => Math.hypot(box[i] - x, box[j] - y) < near);
    const within = x > Math.min(box[0], box[2]) && x < Math.max(box[0], box[2]) && y > Math.min(box[1], box[3]) && y < Math.max(box[1], box[3]);
    if (!corner && !within) box = [x, y, x, y];
    grip = corner || (within ? null : [2, 3]);
    editor.setPointerCapture(event.pointerId);
    let last = [x, y];
    const move = (moved) => {
      const [nx, ny] = point(moved);
      if (grip) [box[grip[0]], box[grip[1]]] = [nx, ny];
      else shift(nx - last[0], ny - last[1]);
      last = [nx, ny];
      draw();
    };
    editor.addEventListener("pointermove", move);
    editor.addEventListener("pointerup", () => editor.removeEventListener("pointermove", move), { once: true });
    event.preventDefault();
  });
  const shift = (dx, dy) => {
    const [left, top] = [Math.min(box[0], box[2]), Math.min(box[1], box[3])];
    const [right, bottom] = [Math.max(box[0], box[2]), Math.max(box[1], box[3])];
    const [x, y] = [inside(left + dx, wide - right + left) - left, inside(top + dy, high - bottom + top) - top];
    box = [left + x, top + y, right + x, bottom + y];
  };
  editor.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!steps[event.key]) return;
    const [dx, dy] = steps[event.key].map((step) => step * Math.max(wide, high) / 100);
    if (event.shiftKey) {
      box[2] = inside(box[2] + dx, wide);
      box[3] = inside(box[3] + dy, high);
    } else {
      shift(dx, dy);
    }
    draw();
    event.preventDefault();
  });
  draw();
  editor.focus({ preventScroll: true });
}
