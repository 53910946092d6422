// The listening room: draws the screen that Python sends, plays its sounds, and reports what was heard and answered.
// Nothing is decided here: every answer goes to Python, is written to disk there, and only then shown as saved.

const LATE_MS = 5000; // without an acknowledgement for so long the connection is called lost
const GRAIN_S = 0.05; // what was heard is counted in grains of this length
const REPORT_MS = 1000; // how often a playing clip reports

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// **bold** and nothing else; text is never read as HTML
function words(text) {
  return text.split("**").map((part, i) => (i % 2 ? make("strong", {}, part) : part));
}

let numbering = 0;

// One clip: a play button, a bar, and on test pages the scale.
class Clip {
  constructor(room, index, data) {
    Object.assign(this, { room, index, data, played: data.played_s || 0, covered: new Set(), base: data.heard_s || 0 });
    this.view = room.screen.view; // a clip may outlive its screen: it pauses after the page was turned
    const id = `room-clip-${++numbering}`;
    this.audio = make("audio", { preload: "auto", "aria-label": data.label });
    this.button = make("button", { class: "room-play", type: "button", disabled: true, onclick: () => this.toggle() });
    this.bar = make("div", { class: "room-bar", "aria-hidden": "true" }, make("i"), make("b"));
    this.status = make("span", { class: "room-status", role: "status" });
    const title = make("div", { class: "room-clip-title", id }, data.label);
    this.node = make("div", { class: "room-clip", role: "group", "aria-labelledby": id });
    this.node.append(title, make("div", { class: "room-clip-row" }, this.button, this.bar, this.status), this.audio);
    if (data.note) this.node.append(make("p", { class: "room-note" }, data.note));
    if (data.rate) this.node.append(this.makeScale(id));
    this.node.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["pause", "ended"]) this.audio.addEventListener(name, () => this.stopped());
    this.audio.addEventListener("play", () => this.started());
    this.update(data);
  }

  makeScale(id) {
    this.radios = this.room.screen.scale.map(([value, label]) => {
      const radio = make("input", { type: "radio", name: id, value, onchange: () => this.rate(value) });
      return { value, radio, node: make("label", {}, radio, make("b", {}, `${value}`), make("span", {}, label)) };
    });
    this.fieldset = make("fieldset", { class: "room-scale", "aria-label": `Rating of ${this.data.label}` });
    this.fieldset.append(...this.radios.map((r) => r.node));
    this.fieldset.addEventListener("click", () => {
      if (this.fieldset.disabled) this.status.textContent = `play ${this.room.screen.listen_s} s first`;
    });
    return this.fieldset;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = this.radios?.find((r) => `${r.value}` === event.key);
    if (chosen && !this.fieldset.disabled) {
      chosen.radio.checked = true;
      chosen.radio.focus();
      this.rate(chosen.value);
    } else if (event.key === " " && event.target !== this.button) {
      event.preventDefault(); // Space on a rating plays its clip
      this.toggle();
    }
  }

  load(bytes) {
    this.url = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    this.audio.src = this.url;
    this.button.disabled = false;
    this.update(this.data);
  }

  toggle() {
    if (!this.audio.src) return;
    if (!this.audio.paused) return this.audio.pause();
    for (const other of this.room.clips) if (other !== this) other.audio.pause();
    if (this.audio.ended) this.audio.currentTime = 0;
    this.audio.play().catch(() => this.room.notice("This browser did not play the clip; please click Play again."));
  }

  started() {
    this.last = this.audio.currentTime;
    this.reported = performance.now();
    this.timer = setInterval(() => this.tick(), 50);
    this.update(this.data);
  }

  stopped() {
    clearInterval(this.timer);
    this.tick();
    this.report();
    this.update(this.data);
  }

  leave() {
    if (this.audio.paused) return;
    this.tick();
    this.report(); // now: the pause tells only after the screen is gone
    this.audio.pause();
  }

  tick() {
    const had = this.enough();
    const now = this.audio.currentTime;
    const step = now - this.last;
    if (step > 0 && step < 1.5) { // a jump is not listening
      this.played += step;
      for (let g = Math.floor(this.last / GRAIN_S); g < Math.ceil(now / GRAIN_S); g++) this.covered.add(g);
    }
    this.last = now;
    // reported before the scale opens: Python refuses a rating of what it has not been told is heard
    if (this.enough() !== had || performance.now() - this.reported > REPORT_MS) this.report();
    this.draw();
  }

  heard() {
    return Math.max(this.base, this.covered.size * GRAIN_S);
  }

  enough() {
    return this.heard() >= this.room.screen.listen_s - GRAIN_S; // as `Settings.enough` has it
  }

  report() {
    this.reported = performance.now();
    this.send({ do: "listen", covered_s: this.heard(), played_s: this.played });
  }

  send(message) {
    return this.room.send({ ...message, view: this.view, clip: this.index });
  }

  rate(rating) {
    this.saving = { rating, id: this.send({ do: "rate", rating }) };
    this.draw();
  }

  acknowledged(id) {
    if (this.saving?.id !== id) return;
    this.saving = null;
    this.update(this.data);
  }

  draw() {
    const length = this.audio.duration || 1;
    this.bar.querySelector("b").style.width = `${(100 * this.audio.currentTime) / length}%`;
    this.bar.querySelector("i").style.left = `${Math.min(100, (100 * this.room.screen.listen_s) / length)}%`;
    const left = this.room.screen.listen_s - this.heard();
    const done = this.data.rate ? "" : "played";
    if (this.saving) this.status.textContent = "saving …";
    else if (!this.enough()) this.status.textContent = this.heard() > 0 ? `${left.toFixed(1)} s more` : "";
    else if (this.data.rating != null) this.status.textContent = `rated ${this.data.rating}, saved`;
    else this.status.textContent = done || "now rate it";
    if (this.fieldset) this.fieldset.disabled = !this.enough();
  }

  update(data) {
    this.data = data;
    this.base = Math.max(this.base, data.heard_s || 0);
    const playing = !this.audio.paused && !this.audio.ended;
    this.button.textContent = this.audio.src ? (playing ? "■ Stop" : "▶ Play") : "loading";
    this.button.setAttribute("aria-label", `${playing ? "Stop" : "Play"} ${data.label}`);
    for (const r of this.radios || []) r.radio.checked = r.value === (this.saving ? this.saving.rating : data.rating);
    this.draw();
  }

  close() {
    clearInterval(this.timer);
    this.audio.pause();
    this.audio.removeAttribute("src");
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

class Room {
  constructor(model, el) {
    Object.assign(this, { model, clips: [], waiting: new Map(), counter: 0 });
    this.screen = model.get("screen");
    this.lost = make("p", { class: "room-lost", role: "alert", hidden: true });
    this.body = make("div", { class: "room-body" });
    this.root = make("section", { class: "listening-room", "aria-label": "Listening test" }, this.lost, this.body);
    this.root.dataset.lmSuppressShortcuts = "true"; // keys belong to the test here, not to the notebook
    if (model.get("alone")) this.root.classList.add("room-alone");
    el.append(this.root);
    this.watch = setInterval(() => this.check(), 500);
    this.onScreen = () => this.show(model.get("screen"));
    this.onMessage = (message, buffers) => this.receive(message, buffers);
    model.on("change:screen", this.onScreen);
    model.on("msg:custom", this.onMessage);
    this.key = `cocola listener of ${this.screen.study}`;
    this.build();
    const token = this.remembered();
    if (token && this.screen.view === "welcome") this.send({ do: "resume", token });
  }

  // What makes a reload the same listener: in a window of its own the address keeps it, and the browser does anyway.
  remembered() {
    const address = this.model.get("alone") ? location.hash.slice(1) : "";
    try {
      return address || localStorage.getItem(this.key) || "";
    } catch {
      return address; // a browser that keeps nothing
    }
  }

  remember(token) {
    if (this.model.get("alone")) history.replaceState(null, "", token ? `#${token}` : location.pathname);
    try {
      token ? localStorage.setItem(this.key, token) : localStorage.removeItem(this.key);
    } catch {
      // the address has it
    }
  }

  send(message) {
    const id = `${++this.counter}-${Math.random()}`;
    this.waiting.set(id, performance.now());
    try {
      this.model.send({ ...message, id });
    } catch {
      this.waiting.set(id, -LATE_MS);
    }
    return id;
  }

  receive(message, buffers) {
    this.waiting.delete(message.done);
    if ("token" in message) this.remember(message.token);
    for (const clip of this.clips) clip.acknowledged(message.done);
    if (message.sounds === this.screen.view && message.done === this.asked) {
      buffers.forEach((bytes, i) => this.clips[i]?.load(bytes));
      this.checkButtons();
    }
    this.check();
  }

  check() {
    const oldest = Math.min(...this.waiting.values(), Infinity);
    const late = performance.now() - oldest > LATE_MS;
    if (late === !this.lost.hidden) return;
    this.lost.hidden = !late;
    const again = this.root.classList.contains("room-alone") ? "reload this page" : "run this cell again";
    this.lost.textContent = late
      ? `The test does not answer. It may be busy; if this stays, ${again}. Every answer shown as saved is safe.`
      : "";
  }

  notice(text) {
    this.problem.textContent = text;
  }

  show(screen) {
    const same = screen.view === this.screen.view;
    this.screen = screen;
    if (!same) return this.build();
    (screen.clips || []).forEach((data, i) => this.clips[i]?.update(data));
    this.fill();
  }

  build() {
    for (const clip of this.clips) clip.close();
    const screen = this.screen;
    this.clips = (screen.clips || []).map((data, i) => new Clip(this, i, data));
    this.heading = make("h2", { tabindex: "-1" }, screen.heading);
    this.progress = make("div", { class: "room-progress" });
    this.problem = make("p", { class: "room-problem", role: "alert" });
    this.missing = make("span", { class: "room-missing", role: "status" });
    this.field = screen.field && make("input", { type: "text", value: screen.field.value, maxlength: 40 });
    this.field?.addEventListener("keydown", (e) => e.key === "Enter" && this.press(screen.buttons[0]));
    this.buttons = screen.buttons.map((data) => {
      const kind = data.minor ? "room-button room-minor" : "room-button";
      return make("button", { type: "button", class: kind, onclick: () => this.press(data) }, data.label);
    });
    this.body.replaceChildren(
      this.progress,
      this.heading,
      ...screen.text.map((text) => make("p", {}, ...words(text))),
      ...(screen.show_scale ? [this.table()] : []),
      ...(this.field ? [make("label", { class: "room-field" }, screen.field.label, this.field)] : []),
      ...(screen.hint ? [make("p", { class: "room-hint" }, screen.hint)] : []),
      ...this.clips.map((clip) => clip.node),
      ...(screen.download ? [this.download()] : []),
      this.problem,
      make("div", { class: "room-buttons" }, ...this.buttons, this.missing),
    );
    this.fill();
    if (this.clips.length) this.asked = this.send({ do: "sounds" });
    if (this.drawn) { // not on the first screen: a notebook should not jump to it
      this.heading.focus({ preventScroll: true });
      this.root.scrollIntoView({ block: "start" });
      this.root.scrollTop = 0;
    }
    this.drawn = true;
  }

  fill() {
    const { progress, missing, problem } = this.screen;
    this.progress.replaceChildren();
    if (progress) {
      const bar = make("progress", { max: progress.total, value: progress.done, "aria-label": "clips rated" });
      this.progress.append(make("span", {}, progress.text), bar);
    }
    this.missing.textContent = missing || "";
    this.problem.textContent = problem || "";
    this.checkButtons();
  }

  checkButtons() {
    this.screen.buttons.forEach((data, i) => {
      this.buttons[i].disabled = Boolean(data.when_complete && this.screen.missing);
    });
  }

  press(data) {
    for (const clip of this.clips) clip.leave();
    const named = { name: this.field?.value, token: this.remembered() };
    this.send({ do: data.do, ...(data.do === "name" ? named : {}) });
  }

  table() {
    const rows = this.screen.scale.map(([value, label]) => make("tr", {}, make("th", {}, `${value}`), make("td", {}, label)));
    return make("table", { class: "room-anchors", "aria-label": "The scale" }, ...rows);
  }

  download() {
    const { label, name, text } = this.screen.download;
    const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    return make("p", {}, make("a", { class: "room-button", href, download: name }, label));
  }

  close() {
    clearInterval(this.watch);
    for (const clip of this.clips) clip.close();
    this.model.off("change:screen", this.onScreen);
    this.model.off("msg:custom", this.onMessage);
  }
}

export default {
  render({ model, el }) {
    const room = new Room(model, el);
    return () => room.close();
  },
};
