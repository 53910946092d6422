// Makes every .cocola-player of the page one player: its clips run in step, and switching leaves no gap.
// Without this script (an untrusted notebook) each clip keeps its own controls. See players.py.
(() => {
  const page = (window.cocola ??= { context: null, stop: () => {} });
  const FADE_S = 0.005; // short enough to be no gap, long enough not to click

  function element(tag, attributes = {}, text = "") {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return node;
  }

  function picture(samples, n = 160) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", `0 -1 ${n} 2`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const wave = document.createElementNS(space, "path");
    const step = samples.length / n;
    let d = "";
    for (let i = 0; i < n; i++) {
      let peak = 0.01;
      for (let k = Math.floor(i * step); k < (i + 1) * step; k++) peak = Math.max(peak, Math.abs(samples[k]));
      d += `M${i} ${-peak}h.7V${peak}h-.7z`;
    }
    wave.setAttribute("d", d);
    const head = document.createElementNS(space, "rect");
    for (const [name, value] of Object.entries({ y: -1, width: 1, height: 2, class: "cocola-head" }))
      head.setAttribute(name, value);
    svg.append(wave, head);
    return { svg, move: (share) => head.setAttribute("x", share * n) };
  }

  async function decode(audio) {
    const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), (c) => c.charCodeAt(0));
    return new OfflineAudioContext(1, 1, +audio.dataset.rate).decodeAudioData(bytes.buffer);
  }

  async function enhance(root) {
    root.dataset.ready = "no";
    root.dataset.lmSuppressShortcuts = "true"; // keys pressed in here are not JupyterLab's
    const audios = [...root.querySelectorAll("audio")];
    let buffers;
    try {
      buffers = await Promise.all(audios.map(decode));
    } catch {
      return; // the single players stay
    }
    const length = Math.max(...buffers.map((b) => b.duration));
    const rate = +audios[0].dataset.rate;
    let [chosen, offset, started, sources] = [0, 0, 0, null];

    const button = element("button", { type: "button", class: "cocola-play" }, "Play");
    const slider = element("input", { type: "range", min: 0, max: length, step: 0.01, value: 0 });
    slider.setAttribute("aria-label", "position, seconds");
    const clock = element("span", { class: "cocola-clock" });
    const loop = element("input", { type: "checkbox" });
    loop.checked = true;
    const label = element("label");
    label.append(loop, " repeat");
    const keys = audios.length > 1 ? `space: play, pause · 1-${Math.min(audios.length, 9)}: switch` : "space: play, pause";
    const bar = element("div", { class: "cocola-bar" });
    bar.append(button, slider, clock, label, element("span", { class: "cocola-keys" }, keys));

    const group = `cocola-${Math.random().toString(36).slice(2)}`;
    const rows = audios.map((audio, i) => {
      const radio = element("input", { type: "radio", name: group, "aria-label": audio.getAttribute("aria-label") });
      const { svg, move } = picture(buffers[i].getChannelData(0));
      const clip = element("label", { class: "cocola-clip" });
      clip.append(radio, svg);
      audio.hidden = true;
      audio.after(clip);
      radio.addEventListener("change", () => choose(i));
      svg.addEventListener("click", (event) => {
        const box = svg.getBoundingClientRect();
        choose(i);
        seek((length * (event.clientX - box.left)) / box.width);
        play();
      });
      return { radio, move, clip };
    });

    function position() {
      if (!sources) return offset;
      const now = offset + Math.max(0, page.context.currentTime - started);
      return loop.checked ? now % length : Math.min(now, length);
    }

    function show() {
      const at = position();
      slider.value = at;
      slider.setAttribute("aria-valuetext", `${at.toFixed(1)} seconds`);
      clock.textContent = `${at.toFixed(1)} / ${length.toFixed(1)} s`;
      rows[chosen].move(at / length); // the other clips' positions are not seen
      root.dataset.position = at.toFixed(3);
      if (sources && !root.isConnected) pause();
      if (sources) requestAnimationFrame(show);
    }

    function choose(i) {
      chosen = i;
      rows[i].radio.checked = true;
      rows.forEach(({ clip }, k) => clip.classList.toggle("cocola-chosen", k === i));
      root.dataset.chosen = audios[i].getAttribute("aria-label");
      sources?.forEach(({ gain }, k) => gain.gain.setTargetAtTime(k === i ? 1 : 0, page.context.currentTime, FADE_S));
      if (!sources) show();
    }

    function play() {
      if (sources) return;
      page.stop();
      page.stop = pause;
      page.context ??= new AudioContext({ sampleRate: rate });
      page.context.resume();
      if (offset >= length - 0.01) offset = 0;
      started = page.context.currentTime + 0.03;
      sources = buffers.map((buffer, i) => {
        const padded = page.context.createBuffer(1, Math.round(length * buffer.sampleRate), buffer.sampleRate);
        padded.copyToChannel(buffer.getChannelData(0), 0);
        const source = page.context.createBufferSource();
        const gain = page.context.createGain();
        source.buffer = padded;
        source.loop = loop.checked;
        gain.gain.value = i === chosen ? 1 : 0;
        source.connect(gain).connect(page.context.destination);
        source.start(started, offset);
        return { source, gain };
      });
      sources[0].source.onended = () => pause();
      button.textContent = "Pause";
      root.dataset.playing = "yes";
      show();
    }

    function pause() {
      if (!sources) return;
      offset = position();
      sources[0].source.onended = null;
      sources.forEach(({ source }) => source.stop());
      sources = null;
      button.textContent = "Play";
      root.dataset.playing = "no";
      show();
    }

    function seek(to) {
      const playing = Boolean(sources);
      pause();
      offset = Math.min(Math.max(to, 0), length);
      if (playing) play();
      else show();
    }

    button.addEventListener("click", () => (sources ? pause() : play()));
    slider.addEventListener("input", () => seek(+slider.value));
    loop.addEventListener("change", () => {
      if (sources) seek(position());
    });
    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const shown = [...root.querySelectorAll("audio")]; // sorting moves them
      const i = /^[1-9]$/.test(event.key) ? audios.indexOf(shown[+event.key - 1]) : -1;
      if (i >= 0) {
        choose(i);
        rows[i].radio.focus();
      } else if (event.key === " " && !event.target.closest("button, summary, [type=checkbox]")) {
        sources ? pause() : play();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    root.prepend(bar);
    choose(0);
    root.dataset.ready = "yes";
  }

  function sortable(table) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      if (header.dataset.sort === undefined) return;
      const button = element("button", { type: "button", class: "cocola-sort" }, header.textContent);
      header.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") !== "descending";
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => {
          const text = row.cells[column].dataset.value;
          return text === "" ? -Infinity : +text; // without a score: last, or first
        };
        const body = table.tBodies[0];
        const rows = [...body.rows].filter((row) => row.dataset.fixed === undefined);
        body.append(...rows.sort((a, b) => (down ? value(b) - value(a) : value(a) - value(b))));
      });
    });
  }

  // a live copy in a widget makes its static copy beside it superfluous
  for (const copy of document.querySelectorAll(".cocola-static"))
    copy.hidden = Boolean(document.querySelector(`.cocola-live[data-of="${copy.dataset.of}"]`));
  for (const root of document.querySelectorAll(".cocola-player:not([data-ready])")) {
    if (root.closest("[hidden]") || !root.querySelector("audio")) continue;
    enhance(root);
    root.querySelectorAll("table.cocola-sortable").forEach(sortable);
  }
})();
