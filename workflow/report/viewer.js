"use strict";
// Three planes through z maps, drawn from the values themselves: what is told is a value of the map.
const PLANES = {x: [0, 1, 2], y: [1, 0, 2], z: [2, 0, 1]};  // the axis that is cut, those across and up
const STEP = 0.5;  // mm, of a pixel

async function unpacked(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function inverse(a) {  // of an affine, rows of 4
  const [[p, q, r, t], [s, u, v, w], [x, y, z, o]] = a;
  const c = [[u * z - v * y, r * y - q * z, q * v - r * u], [v * x - s * z, p * z - r * x, r * s - p * v],
    [s * y - u * x, q * x - p * y, p * u - q * s]];
  const d = p * c[0][0] + q * c[1][0] + r * c[2][0];
  return c.map((row) => {
    const m = row.map((value) => value / d);
    return [...m, -(m[0] * t + m[1] * w + m[2] * o)];
  });
}

const placed = (a, m) => a.map((row) => row[0] * m[0] + row[1] * m[1] + row[2] * m[2] + row[3]);
const minus = (text) => text.replaceAll("-", "\u2212");

function warm(share) {  // matplotlib's hot, from 0.4 to 0.93 of it
  const x = 0.4 + 0.53 * Math.min(Math.max(share, 0), 1);
  const ramp = (from, to) => 255 * Math.min(Math.max((x - from) / (to - from), 0), 1);
  return [255, ramp(0.365079, 0.746032), ramp(0.746032, 1)];
}

class Viewer {
  constructor(root, data) {
    Object.assign(this, {root, data, loaded: {}, point: [0, 0, 0], z: null});
    root.innerHTML = `
      <div class="planes">${Object.keys(PLANES).map((name) =>
    `<figure><canvas tabindex="0" data-plane="${name}" role="img" aria-label="cut at one ${name}"></canvas>
      <figcaption></figcaption></figure>`).join("")}</div>
      <p class="told" aria-live="polite"><output></output></p>
      <div class="bar"><span class="low"></span><i></i><span class="high"></span></div>
      <div class="controls">
      <label class="which">contrast <select name="contrast"></select></label>
      <label>threshold <select name="limit"></select></label>
      <label>|z| above <input type="range" name="threshold" min="0" step="0.01"><b></b></label>
      <label class="signs">sign <select name="sign"><option value="0">both</option>
      <option value="1">positive</option><option value="-1">negative</option></select></label>
      <label><input type="checkbox" name="cross"> crosshair</label></div>`;
    this.part = (name) => root.querySelector(`[name=${name}]`);
    for (const one of data.contrasts) this.part("contrast").add(new Option(one.title.replace(/^sub-\w+[,:] /, ""), one.key));
    root.querySelector(".which").hidden = data.contrasts.length < 2;
    this.part("contrast").addEventListener("change", (event) => this.show(event.target.value, this.point));
    this.part("limit").addEventListener("change", (event) => {
      if (event.target.value) this.part("threshold").value = event.target.value;
      this.draw();
    });
    this.part("threshold").addEventListener("input", () => this.draw());
    for (const name of ["sign", "cross"]) this.part(name).addEventListener("change", () => this.draw());
    for (const canvas of root.querySelectorAll("canvas")) {
      const go = (event) => {
        const box = canvas.getBoundingClientRect(), [, across, up] = PLANES[canvas.dataset.plane];
        const [low, high] = this.box, mm = [...this.point];
        mm[across] = low[across] + (event.clientX - box.left) / box.width * (high[across] - low[across]);
        mm[up] = high[up] - (event.clientY - box.top) / box.height * (high[up] - low[up]);
        this.move(mm);
      };
      canvas.addEventListener("pointerdown", go);
      canvas.addEventListener("pointermove", (event) => {
        if (event.buttons === 1 && event.pointerType === "mouse") go(event);
      });
      canvas.addEventListener("keydown", (event) => {
        const [, across, up] = PLANES[canvas.dataset.plane];
        const [axis, way] = {ArrowLeft: [across, -1], ArrowRight: [across, 1], ArrowDown: [up, -1],
          ArrowUp: [up, 1]}[event.key] ?? [];
        if (axis === undefined) return;
        event.preventDefault();
        const mm = [...this.point];
        mm[axis] += way * this.z.sides[axis];
        this.move(mm);
      });
    }
  }

  async show(key, mm) {  // a contrast, at a place or at its highest peak
    const one = this.data.contrasts.find((each) => each.key === key) ?? this.data.contrasts[0];
    if (!this.loaded[one.key]) {
      const [bits, z, grey] = await Promise.all([
        unpacked(this.data.masks[one.mask]), unpacked(one.z), unpacked(this.data.backgrounds[one.background].grey),
      ]);
      const values = new Int16Array(one.shape[0] * one.shape[1] * one.shape[2]), n = z.length / 2;
      const inside = new Uint8Array(values.length);
      for (let i = 0, k = 0; i < values.length; i++) {
        if (!(bits[i >> 3] & 128 >> (i & 7))) continue;
        inside[i] = 1;
        values[i] = z[k] | z[n + k] << 8;
        k++;
      }
      const onto = inverse(one.affine);
      const sides = [0, 1, 2].map((axis) => Math.max(...one.affine[axis].slice(0, 3).map(Math.abs)));
      this.loaded[one.key] = {...one, values, inside, onto, sides, grey,
        behind: this.data.backgrounds[one.background]};
    }
    this.z = this.loaded[one.key];
    const {shape, first, side} = this.z.behind;
    this.box = [first.map((value) => value - side / 2), first.map((value, i) => value + side * (shape[i] - 0.5))];
    this.part("contrast").value = one.key;
    const limit = this.part("limit"), range = this.part("threshold");
    limit.replaceChildren(...one.limits.map(([name, z]) => new Option(`${name} (${z.toFixed(2)})`, z)),
      new Option("own", ""));
    range.max = Math.ceil(100 * one.top) / 100;
    range.value = one.start;
    limit.value = one.limits.find(([, z]) => z === one.start)?.[1] ?? "";
    this.root.querySelector(".signs").hidden = !one.signed;
    this.move(mm ?? one.point);
  }

  index(mm) {  // of the voxel at a place, or -1
    const [i, j, k] = placed(this.z.onto, mm).map((value) => Math.floor(value + 0.5)), [nx, ny, nz] = this.z.shape;
    return i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz ? -1 : (i * ny + j) * nz + k;
  }

  value(mm) {  // z at a place; undefined outside of the mask
    const index = this.index(mm);
    return index >= 0 && this.z.inside[index] ? this.z.values[index] / 100 : undefined;
  }

  move(mm) {  // to the centre of the voxel at a place
    const voxel = placed(this.z.onto, mm).map((value) => Math.floor(value + 0.5));
    this.point = this.index(mm) < 0 ? mm : placed(this.z.affine, voxel);
    this.draw();
  }

  draw() {
    const {z} = this, threshold = Number(this.part("threshold").value), {top} = z;
    const limit = this.part("limit");
    if (limit.value && Math.abs(limit.value - threshold) > 0.006) limit.value = "";
    const exact = limit.value ? Number(limit.value) : threshold;
    const sign = z.signed ? Number(this.part("sign").value) : 1;
    const span = Math.max(top - exact, 0.01);
    this.colours ??= new Map();
    for (const canvas of this.root.querySelectorAll("canvas")) this.plane(canvas, exact, sign, span);
    const value = this.value(this.point), at = this.point.map((each) => (each || 0).toFixed(1)).join(", ");
    const told = value === undefined ? "outside of the mask" : `z = ${value.toFixed(2)}`;
    this.root.querySelector("output").textContent = minus(`(${at}) mm \u00b7 ${told}`)
      + (z.factor.some((n) => n > 1) ? ` (strongest of ${z.factor.join(" \u00d7 ")} voxels)` : "");
    this.root.querySelector("[name=threshold] + b").textContent = exact.toFixed(2);
    const shades = (way) => [0, 0.25, 0.5, 0.75, 1].map((share) => {
      const colour = warm(share);
      return `rgb(${(way < 0 ? colour.reverse() : colour).map(Math.round).join()})`;
    });
    const both = sign === 0, grey = Math.max(exact / top * 50, 0);
    const [low, high] = this.root.querySelectorAll(".bar span"), bar = this.root.querySelector(".bar i");
    const up = shades(1), down = shades(-1).reverse();
    bar.style.background = both
      ? `linear-gradient(90deg, ${down.map((c, i) => `${c} ${(50 - grey) * i / 4}%`).join()}, #333 ${50 - grey}%,
        #333 ${50 + grey}%, ${up.map((c, i) => `${c} ${50 + grey + (50 - grey) * i / 4}%`).join()})`
      : `linear-gradient(90deg, ${(sign < 0 ? down : up).join()})`;
    low.textContent = minus(both || sign < 0 ? `z  ${(-top).toFixed(1)}` : `z  ${exact.toFixed(2)}`);
    high.textContent = minus((sign < 0 ? -exact : top).toFixed(sign < 0 ? 2 : 1));
  }

  plane(canvas, threshold, sign, span) {
    const {z} = this, {shape: [bx, by, bz], first, side} = z.behind, [nx, ny, nz] = z.shape;
    const [axis, across, up] = PLANES[canvas.dataset.plane], [low, high] = this.box;
    const width = Math.round((high[across] - low[across]) / STEP), height = Math.round((high[up] - low[up]) / STEP);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    canvas.parentElement.style.flex = `${width} 1 ${width / 3}px`;
    const pen = canvas.getContext("2d"), picture = pen.createImageData(width, height), pixels = picture.data;
    const mm = [...this.point], {onto, values, inside, grey} = z;
    for (let row = 0; row < height; row++) {
      mm[up] = high[up] - (row + 0.5) * (high[up] - low[up]) / height;
      mm[across] = low[across];
      const start = placed(onto, mm), move = onto.map((each) => each[across] * (high[across] - low[across]) / width);
      for (let column = 0; column < width; column++) {
        mm[across] = low[across] + (column + 0.5) * (high[across] - low[across]) / width;
        const i = Math.floor(start[0] + move[0] * (column + 0.5) + 0.5);
        const j = Math.floor(start[1] + move[1] * (column + 0.5) + 0.5);
        const k = Math.floor(start[2] + move[2] * (column + 0.5) + 0.5), at = 4 * (row * width + column);
        let value = 0;
        if (i >= 0 && j >= 0 && k >= 0 && i < nx && j < ny && k < nz) {
          const index = (i * ny + j) * nz + k;
          if (inside[index]) value = values[index] / 100;
        }
        if (sign * value < 0) value = 0;
        const strength = Math.abs(value);
        if (strength > threshold) {
          const [red, green, blue] = warm((strength - threshold) / span);
          pixels[at] = value > 0 ? red : blue;
          pixels[at + 1] = green;
          pixels[at + 2] = value > 0 ? blue : red;
        } else {  // the background, linear within the plane
          const b = [0, 1, 2].map((n) => (mm[n] - first[n]) / side);
          const near = Math.floor(b[axis] + 0.5), p = Math.floor(b[across]), q = Math.floor(b[up]);
          const s = b[across] - p, t = b[up] - q, size = [bx, by, bz], steps = [by * bz, bz, 1];
          const shade = (m, n) => near < 0 || near >= size[axis] || m < 0 || n < 0 || m >= size[across]
            || n >= size[up] ? 0 : grey[near * steps[axis] + m * steps[across] + n * steps[up]];
          const light = (1 - s) * ((1 - t) * shade(p, q) + t * shade(p, q + 1))
            + s * ((1 - t) * shade(p + 1, q) + t * shade(p + 1, q + 1));
          pixels[at] = pixels[at + 1] = pixels[at + 2] = 0.8 * light;
        }
        pixels[at + 3] = 255;
      }
    }
    pen.putImageData(picture, 0, 0);
    pen.fillStyle = "#ddd";
    pen.font = `${10 / STEP}px sans-serif`;  // 10 mm
    pen.textBaseline = "top";
    if (axis) {
      pen.fillText("L", 6, 6);
      pen.textAlign = "right";
      pen.fillText("R", width - 6, 6);
      pen.textAlign = "left";
    }
    if (this.part("cross").checked) {
      const x = (this.point[across] - low[across]) / STEP, y = (high[up] - this.point[up]) / STEP;
      pen.fillStyle = "#6f6";
      pen.fillRect(x - 0.5, 0, 1, height);
      pen.fillRect(0, y - 0.5, width, 1);
    }
    const where = minus(`${canvas.dataset.plane} = ${(this.point[axis] || 0).toFixed(1)} mm`);
    canvas.nextElementSibling.textContent = where;
    canvas.setAttribute("aria-label", `cut at ${where}`);
  }
}
