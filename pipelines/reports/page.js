"use strict";
// All images are embedded in the page: it requests nothing and stores nothing.
const images = JSON.parse(document.getElementById("images").textContent);
const find = (id) => document.getElementById(id);
const stage = find("stage");
const root = document.documentElement.style;
const state = { image: 0, left: 0, right: 0, at: 0.5, zoom: 1, x: 0, y: 0 };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const views = () => images[state.image].views;
const alphas = () => views().map((view, index) => [view.alpha, index]).filter(([alpha]) => alpha !== null);

// x and y are fractions of the stage's side, so that tiles of any size show the same part
function place() {
  state.zoom = clamp(state.zoom, 1, 16);
  state.x = clamp(state.x, 1 - state.zoom, 0);
  state.y = clamp(state.y, 1 - state.zoom, 0);
  const side = stage.clientWidth;
  root.setProperty("--at", `${100 * state.at}%`);
  root.setProperty("--zoom", state.zoom);
  stage.style.setProperty("--x", `${state.x * side}px`);
  stage.style.setProperty("--y", `${state.y * side}px`);
  for (const tile of document.querySelectorAll(".tile")) {
    tile.style.setProperty("--x", `${state.x * tile.clientWidth}px`);
    tile.style.setProperty("--y", `${state.y * tile.clientWidth}px`);
  }
  find("zoom").textContent = `${state.zoom.toFixed(1)}x`;
}

function show() {
  const image = images[state.image];
  for (const side of ["left", "right"]) {
    const view = image.views[state[side]];
    find(`${side}-image`).src = view.uri;
    find(`${side}-label`).textContent = view.title;
    find(`${side}-select`).value = state[side];
    find(`${side}-figures`).textContent = view.figures;
  }
  const at = alphas().findIndex(([, index]) => index === state.right);
  if (at >= 0) find("alpha").value = at;
  find("alpha-value").textContent = at >= 0 ? alphas()[at][0] : "not shown";
  find("image-select").value = state.image;
  [...find("tiles").children].forEach((tile, index) => {
    tile.classList.toggle("chosen", index === state.left || index === state.right);
  });
  place();
}

function chooseImage(index) {
  state.image = (index + images.length) % images.length;
  const image = images[state.image];
  find("whole-image").src = image.whole;
  for (const edge of ["left", "top", "width", "height"]) {
    find("box").style[edge] = `${image.box[edge]}%`;
  }
  find("tiles").replaceChildren(...image.views.map((view, number) => {
    const figure = document.createElement("figure");
    const tile = document.createElement("div");
    const element = document.createElement("img");
    const caption = document.createElement("figcaption");
    const name = document.createElement("b");
    tile.className = "tile";
    element.src = view.uri;
    element.alt = `${image.name}, ${view.title}`;
    name.textContent = view.title;
    caption.append(name, ` ${view.figures}`);
    tile.append(element);
    figure.append(tile, caption);
    figure.addEventListener("click", (event) => {
      state[event.shiftKey ? "left" : "right"] = number;
      show();
    });
    return figure;
  }));
  show();
}

function chooseAlpha(at) {
  const found = alphas();
  if (found.length) state.right = found[clamp(at, 0, found.length - 1)][1];
  show();
}

function zoomBy(factor, x, y) {
  const zoom = clamp(state.zoom * factor, 1, 16);
  state.x = x - (x - state.x) * (zoom / state.zoom);
  state.y = y - (y - state.y) * (zoom / state.zoom);
  state.zoom = zoom;
  place();
}

function pointerPosition(event) {
  const area = stage.getBoundingClientRect();
  return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height];
}

const keys = {
  ArrowLeft: () => { state.at = clamp(state.at - 0.05, 0, 1); place(); },
  ArrowRight: () => { state.at = clamp(state.at + 0.05, 0, 1); place(); },
  ArrowUp: () => chooseAlpha(Number(find("alpha").value) + 1),
  ArrowDown: () => chooseAlpha(Number(find("alpha").value) - 1),
  "[": () => chooseImage(state.image - 1),
  "]": () => chooseImage(state.image + 1),
  "+": () => zoomBy(1.5, 0.5, 0.5),
  "-": () => zoomBy(1 / 1.5, 0.5, 0.5),
  0: () => { state.zoom = 1; place(); },
  x: () => { [state.left, state.right] = [state.right, state.left]; show(); },
};

function start() {
  find("image-select").append(...images.map((one, index) => new Option(`${one.set}: ${one.name}`, index)));
  for (const side of ["left", "right"]) {
    find(`${side}-select`).append(...views().map((view, index) => new Option(view.title, index)));
    find(`${side}-select`).addEventListener("change", (event) => {
      state[side] = Number(event.target.value);
      show();
    });
  }
  find("image-select").addEventListener("change", (event) => chooseImage(Number(event.target.value)));
  find("alpha").max = Math.max(alphas().length - 1, 0);
  find("alpha").addEventListener("input", (event) => chooseAlpha(Number(event.target.value)));
  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    const [x, y] = pointerPosition(event);
    drag = { bar: Math.abs(x - state.at) * stage.clientWidth < 16, x: x - state.x, y: y - state.y };
    stage.setPointerCapture(event.pointerId);
    stage.focus();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = pointerPosition(event);
    if (drag.bar) state.at = clamp(x, 0, 1);
    else [state.x, state.y] = [x - drag.x, y - drag.y];
    place();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { drag = null; });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...pointerPosition(event));
  }, { passive: false });
  document.addEventListener("keydown", (event) => {
    // select boxes and sliders use the same keys
    if (/^(SELECT|INPUT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  window.addEventListener("resize", place);
  // at first, bicubic is on the left and the default alpha on the right
  state.right = Math.max(views().findIndex((view) => view.alpha === Number(stage.dataset.alpha)), 0);
  chooseImage(0);
}

if (images.length) start();
