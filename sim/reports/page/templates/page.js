"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const $ = (root, what) => root.querySelector(what);
  const $$ = (root, what) => [...root.querySelectorAll(what)];

  // Texts of results are only ever set as text, never as markup.
  function element(name, attributes = {}, text) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function shape(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // ------------------------------------------------------------------------------ numbers
  function seconds(value) {
    if (value === null || value === undefined) return "–";
    if (value === 0) return "0 s";
    if (Math.abs(value) >= 7200) return `${+(value / 3600).toPrecision(3)} h`;
    if (Math.abs(value) >= 600) return `${+(value / 60).toPrecision(3)} min`;
    return value < 0.0995 ? `${+(value * 1000).toPrecision(3)} ms` : `${+value.toPrecision(3)} s`;
  }
  function clock(value, step = 1) {
    const sign = value < 0 ? "-" : "";
    const decimals = step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step)));
    let rest = +Math.abs(value).toFixed(decimals);
    const hours = Math.floor(rest / 3600);
    rest -= 3600 * hours;
    const minutes = Math.floor(rest / 60);
    const left = (rest - 60 * minutes).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
    return hours ? `${sign}${hours}:${String(minutes).padStart(2, "0")}:${left}` : `${sign}${minutes}:${left}`;
  }
  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const stepFor = (span, most) => STEPS.find((step) => span / step <= most) || 86400 * Math.ceil(span / most / 86400);
  function levelStep(highest, most) {
    const rough = Math.max(1, highest / most);
    const power = 10 ** Math.floor(Math.log10(rough));
    return Math.ceil([1, 2, 5, 10].find((each) => each * power >= rough) * power);
  }
  /** The place of the last number that is at most `value`, -1 before the first. */
  function before(numbers, value) {
    let low = 0, high = numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle] <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  const levelAt = (curve, time) => curve.v[Math.max(0, before(curve.t, time))];

  // ------------------------------------------------------------------------------ theme
  const themeButton = $(document, "#theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
  function labelTheme() {
    themeButton.textContent = theme() === "dark" ? "Light" : "Dark";
  }
  themeButton.addEventListener("click", () => {
    document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
    labelTheme();
  });
  dark.addEventListener("change", labelTheme);
  labelTheme();

  // ------------------------------------------------------------------------------ timeline
  const LEFT = 46, RIGHT = 14, LANES = 10, LANE = 13;

  class Timeline {
    constructor(section, data, onChange, onPick) {
      this.data = data;
      this.place = $(section, ".charts");
      this.range = $(section, ".range");
      this.onChange = onChange;
      this.onPick = onPick;
      this.window = data.window ? [Math.max(0, data.window[0]), Math.min(data.end, data.window[1])] : [data.begin, data.end];
      this.tip = element("div", { class: "tip", hidden: "" });
      this.svg = shape("svg", { role: "img" });
      this.place.append(this.svg, this.tip);
      for (const button of $$(section, "[data-zoom]")) button.addEventListener("click", () => this.command(button.dataset.zoom));
      this.place.addEventListener("keydown", (event) => this.key(event));
      this.pointer();
      new ResizeObserver(() => this.draw()).observe(this.place);
    }
    get width() { return Math.max(260, this.place.clientWidth); }
    x(time) { return LEFT + ((time - this.window[0]) / (this.window[1] - this.window[0])) * (this.width - LEFT - RIGHT); }
    time(x) { return this.window[0] + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (this.window[1] - this.window[0]); }
    show(begin, end) {
      const whole = this.data.end - this.data.begin;
      const span = Math.min(whole, Math.max(0.01, end - begin));
      const from = Math.min(Math.max(this.data.begin, begin), this.data.end - span);
      this.window = [from, from + span];
      this.draw();
      this.onChange();
    }
    command(what, middle) {
      const [begin, end] = this.window, span = end - begin;
      if (what === "all") return this.show(this.data.begin, this.data.end);
      if (what === "left" || what === "right") {
        const by = what === "left" ? -span / 3 : span / 3;
        return this.show(begin + by, end + by);
      }
      const factor = what === "in" ? 0.5 : 2;
      const fixed = middle ?? (begin + end) / 2;
      return this.show(fixed - (fixed - begin) * factor, fixed + (end - fixed) * factor);
    }
    key(event) {
      const what = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all" }[event.key];
      if (!what || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.command(what);
    }
    pointer() {
      const place = this.place;
      const at = (event) => event.clientX - place.getBoundingClientRect().left;
      let from = null, last = 0, mark = null;
      place.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        from = last = at(event);
        if (event.pointerType === "mouse") {
          mark = shape("rect", { y: 0, height: this.height, fill: "var(--accent)", opacity: 0.14 });
          this.svg.append(mark);
        }
        place.setPointerCapture(event.pointerId);
      });
      place.addEventListener("pointermove", (event) => {
        const now = at(event);
        if (from === null) return this.hover(now, event);
        if (mark) {
          mark.setAttribute("x", Math.min(from, now));
          mark.setAttribute("width", Math.abs(now - from));
        } else {
          const by = this.time(last) - this.time(now);
          last = now;
          this.show(this.window[0] + by, this.window[1] + by);
        }
      });
      place.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const now = at(event), begun = from, marked = mark;
        from = null;
        mark = null;
        marked?.remove();
        if (marked && Math.abs(now - begun) > 6) return this.show(this.time(Math.min(begun, now)), this.time(Math.max(begun, now)));
        if (Math.abs(now - begun) <= 6) this.pick(now, event);
      });
      place.addEventListener("pointercancel", () => { from = null; mark?.remove(); mark = null; });
      place.addEventListener("pointerleave", () => { this.tip.hidden = true; this.cross?.setAttribute("visibility", "hidden"); });
      place.addEventListener("dblclick", () => this.command("all"));
      place.addEventListener("wheel", (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        this.command(event.deltaY < 0 ? "in" : "out", this.time(at(event)));
      }, { passive: false });
    }
    laneAt(x, event) {
      const y = event.clientY - this.place.getBoundingClientRect().top - parseFloat(getComputedStyle(this.place).paddingTop);
      return (this.lanes || []).find((lane) => y >= lane.top && y <= lane.top + LANE && x >= lane.left - 3 && x <= lane.right + 3);
    }
    pick(x, event) {
      const lane = this.laneAt(x, event);
      if (lane) this.onPick(lane.row);
    }
    hover(x, event) {
      const time = this.time(x), data = this.data;
      if (time < this.window[0] || time > this.window[1]) { this.tip.hidden = true; return; }
      this.tip.replaceChildren();
      const line = (name, value) => { const made = element("div", {}, `${name} `); made.append(element("b", {}, value)); this.tip.append(made); };
      const lane = this.laneAt(x, event);
      if (lane) {
        const row = lane.row;
        line(row[1], row[2]);
        line("outcome", data.incidents.outcomes[row[7]]);
        for (const [phase, begin, end] of row[12]) line(data.incidents.phases[phase], seconds(end - begin));
      } else {
        line("time", clock(time, (this.window[1] - this.window[0]) / 500));
        line("tasks in service", levelAt(data.service, time));
        line("queued tasks", levelAt(data.queue, time));
        line("agents up", `${levelAt(data.up, time)} of ${data.agents}`);
        line("open recoveries", levelAt(data.open, time));
        const near = (this.window[1] - this.window[0]) / 200;
        for (const [begin, end, name] of data.faults.filter((each) => each[0] <= time + near && Math.max(each[1], each[0] + near) >= time).slice(0, 4)) line("fault", name);
      }
      this.tip.hidden = false;
      const wide = this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(4, Math.min(x + 14, this.width - wide - 4))}px`;
      this.tip.style.top = "14px";
      if (x + 14 > this.width - wide - 4) this.tip.style.left = `${Math.max(4, x - wide - 14)}px`;
      if (this.cross) {
        this.cross.setAttribute("x1", x);
        this.cross.setAttribute("x2", x);
        this.cross.setAttribute("visibility", "visible");
      }
    }

    // ---------------------------------------------------------------------------- drawing
    draw() {
      const data = this.data;
      this.svg.replaceChildren();
      this.lanes = [];
      let top = data.faults.length ? 52 : 34;
      const panels = [];
      const panel = (title, height, paint) => { panels.push([title, top, height, paint]); top += height + 34; };
      panel("tasks: in service (area) and queued (line)", 132, (y, h) => this.load(y, h));
      panel("agents up: in truth (line), as the detector believes (dashed)", 46, (y, h) => this.agents(y, h));
      if (data.unsteady) panel("service: red where it is not in its steady state", 10, (y, h) => this.steady(y, h));
      if (data.retries.counts.length || data.exhausted.counts.length) panel("retries: granted (blue), failures without a retry left (red)", 46, (y, h) => this.retries(y, h));
      const packed = this.packed();
      panel("recoveries", packed ? Math.max(2, packed.lanes) * LANE : 60, (y, h) => this.recoveries(y, h, packed));
      this.height = top - 4;
      this.svg.setAttribute("height", this.height);
      this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      this.faultBands();
      this.axis(panels);
      for (const [title, y, height, paint] of panels) {
        paint(y, height);
        this.title(title, y - 8);
      }
      this.cross = shape("line", { y1: 24, y2: this.height - 22, stroke: "var(--faint)", visibility: "hidden" });
      this.svg.append(this.cross);
      const [begin, end] = this.window, step = (end - begin) / 50;
      this.range.textContent = `${clock(begin, step)} to ${clock(end, step)} (${seconds(end - begin)})`;
      const queued = Math.max(...this.points(data.queue).map((each) => each[1]));
      this.svg.setAttribute("aria-label", `From ${clock(begin)} to ${clock(end)}: at most ${queued} queued tasks, ${this.visible().length} recoveries, ${data.faults.filter((each) => each[0] <= end && each[1] >= begin).length} faults`);
    }
    /** A heading of a panel, on a ground that hides the lines behind it. */
    title(text, y) {
      const short = this.width < 520 ? text.split(":")[0] : text;
      const made = shape("text", { x: LEFT, y, class: "title" }, short);
      this.svg.append(made);
      const box = made.getBBox();
      this.svg.insertBefore(shape("rect", { x: box.x - 2, y: box.y, width: box.width + 6, height: box.height, fill: "var(--card)" }), made);
    }
    visible() {
      const [begin, end] = this.window;
      return this.data.incidents.rows.filter((row) => row[4] <= end && (row[6] ?? this.data.end) >= begin);
    }
    /** The points of a curve within the window: of each pixel the lowest and the highest level. */
    points(curve) {
      const [begin, end] = this.window;
      const first = Math.max(0, before(curve.t, begin)), last = before(curve.t, end);
      const found = [[begin, curve.v[first]]];
      const pixels = this.width - LEFT - RIGHT, some = last - first > 3 * pixels;
      if (!some) for (let at = first + 1; at <= last; at++) found.push([curve.t[at], curve.v[at]]);
      else {
        const each = (end - begin) / pixels;
        let at = first + 1;
        for (let pixel = 1; pixel <= pixels && at <= last; pixel++) {
          let low = at, high = at, many = 0;
          const until = begin + pixel * each;
          for (; at <= last && curve.t[at] <= until; at++, many++) {
            if (curve.v[at] < curve.v[low]) low = at;
            if (curve.v[at] > curve.v[high]) high = at;
          }
          if (many) for (const place of [...new Set([low, high, at - 1])].sort((a, b) => a - b)) found.push([curve.t[place], curve.v[place]]);
        }
      }
      found.push([end, found[found.length - 1][1]]);
      return found;
    }
    path(curve, y, closed, base) {
      const points = this.points(curve);
      let text = `M${this.x(points[0][0]).toFixed(1)},${y(points[0][1]).toFixed(1)}`;
      for (const [time, level] of points.slice(1)) text += `H${this.x(time).toFixed(1)}V${y(level).toFixed(1)}`;
      return closed ? `${text}V${base}H${LEFT}Z` : text;
    }
    levels(top, height, highest, most) {
      const y = (level) => top + height - (level / highest) * height;
      const step = levelStep(highest, most);
      for (let level = 0; level <= highest; level += step) {
        this.svg.append(shape("line", { x1: LEFT, x2: this.width - RIGHT, y1: y(level), y2: y(level), stroke: "var(--line)" }));
        this.svg.append(shape("text", { x: LEFT - 7, y: y(level) + 4, "text-anchor": "end" }, level.toLocaleString("en")));
      }
      return y;
    }
    load(top, height) {
      const data = this.data;
      const most = Math.max(1, data.slots, ...this.points(data.service).map((each) => each[1]), ...this.points(data.queue).map((each) => each[1]));
      const y = this.levels(top, height, most * 1.06, 5);
      this.svg.append(shape("path", { d: this.path(data.service, y, true, top + height), fill: "var(--service)", opacity: 0.8 }));
      if (data.slots) {
        this.svg.append(shape("line", { x1: LEFT, x2: this.width - RIGHT, y1: y(data.slots), y2: y(data.slots), stroke: "var(--faint)", "stroke-dasharray": "2 3" }));
        this.svg.append(shape("text", { x: this.width - RIGHT, y: y(data.slots) - 4, "text-anchor": "end" }, `${data.slots} slots`));
      }
      this.svg.append(shape("path", { d: this.path(data.queue, y), fill: "none", stroke: "var(--queue)", "stroke-width": 1.4 }));
    }
    agents(top, height) {
      const data = this.data, y = this.levels(top, height, Math.max(1, data.agents) * 1.1, 2);
      this.svg.append(shape("path", { d: this.path(data.up, y), fill: "none", stroke: "var(--up)", "stroke-width": 1.6 }));
      this.svg.append(shape("path", { d: this.path(data.believed, y), fill: "none", stroke: "var(--believed)", "stroke-width": 1.4, "stroke-dasharray": "5 3" }));
    }
    steady(top, height) {
      this.svg.append(shape("rect", { x: LEFT, y: top, width: this.width - LEFT - RIGHT, height, fill: "var(--good)", opacity: 0.35 }));
      for (const [begin, end] of this.data.unsteady) this.span(begin, end, top, height, "var(--bad)");
    }
    span(begin, end, top, height, fill) {
      const left = Math.max(LEFT, this.x(begin)), right = Math.min(this.width - RIGHT, this.x(end));
      if (right < LEFT || left > this.width - RIGHT) return null;
      const made = shape("rect", { x: left, y: top, width: Math.max(1.5, right - left), height, fill });
      this.svg.append(made);
      return made;
    }
    retries(top, height) {
      const [begin, end] = this.window, whole = this.data.retries.width;
      const wanted = Math.max(whole, (end - begin) / Math.min(160, (this.width - LEFT - RIGHT) / 5));
      const many = Math.ceil(wanted / whole), width = many * whole;
      const bins = (from) => {
        const found = new Map();
        for (const [place, number] of from.counts) {
          const bin = Math.floor(place / many);
          if ((bin + 1) * width >= begin && bin * width <= end) found.set(bin, (found.get(bin) || 0) + number);
        }
        return found;
      };
      const granted = bins(this.data.retries), exhausted = bins(this.data.exhausted);
      const most = Math.max(1, ...granted.values(), ...exhausted.values());
      const y = this.levels(top, height, most * 1.1, 2);
      for (const [found, fill, share] of [[granted, "var(--execute)", 1], [exhausted, "var(--bad)", 0.5]]) {
        for (const [bin, number] of found) this.span(bin * width, bin * width + width * share * 0.9, y(number), top + height - y(number), fill);
      }
    }
    /** The recoveries of the window and the lane of each; null if they need too many lanes. */
    packed() {
      const free = [], placed = [];
      const narrow = ((this.window[1] - this.window[0]) / (this.width - LEFT - RIGHT)) * 3;
      for (const row of this.visible()) {
        const end = Math.max(row[6] ?? this.data.end, row[4] + narrow);
        let lane = free.findIndex((until) => until <= row[4]);
        if (lane < 0) lane = free.push(0) - 1;
        if (lane >= LANES) return null;
        const isNamed = this.data.incidents.outcomes[row[7]] !== "verified";
        free[lane] = end + narrow / 2 + (isNamed ? narrow * 21 : 0);
        placed.push([row, lane]);
      }
      return { placed, lanes: free.length };
    }
    recoveries(top, height, packed) {
      if (!packed) return this.density(top, height, this.visible().length);
      for (const [row, lane] of packed.placed) this.lane(row, top + lane * LANE);
      return undefined;
    }
    /** Phases at their exact places; one that is too short to be seen is a tick there, which moves nothing else. */
    marks(phases) {
      const bars = [], ticks = [];
      for (const [phase, begin, end] of phases) {
        const from = this.x(begin), to = this.x(end), latest = ticks.at(-1);
        if (to - from >= 1) bars.push({ phase, from, to, nth: 0, of: 1 });
        else if (latest && from - latest[0].from < 1) latest.push({ phase, from });
        else ticks.push([{ phase, from }]);
      }
      const tick = (each, nth, group) => ({ phase: each.phase, from: each.from, to: each.from + 2, nth, of: group.length });
      return [...bars, ...ticks.flatMap((group) => group.map(tick))];
    }
    lane(row, y) {
      const names = this.data.incidents.phases, height = LANE - 3;
      let left = Infinity, right = -Infinity;
      for (const { phase, from, to, nth, of } of this.marks(row[12])) {
        left = Math.min(left, from);
        right = Math.max(right, to);
        if (to < LEFT || from > this.width - RIGHT) continue;
        const inside = [Math.max(LEFT, from), Math.min(this.width - RIGHT, to)], part = height / of;
        this.svg.append(shape("rect", { x: inside[0], y: y + nth * part, width: Math.max(1, inside[1] - inside[0]), height: part, fill: `var(--${names[phase]})`, class: "phase" }));
      }
      this.lanes.push({ row, top: y, left, right });
      const name = this.data.incidents.outcomes[row[7]];
      if (name !== "verified" && right < this.width - RIGHT - 60) this.svg.append(shape("text", { x: right + 4, y: y + height - 1, class: "fault-name" }, name));
    }
    density(top, height, number) {
      const most = Math.max(1, ...this.points(this.data.open).map((each) => each[1]));
      const y = this.levels(top, height, most * 1.06, 4);
      this.svg.append(shape("path", { d: this.path(this.data.open, y, true, top + height), fill: "var(--execute)", opacity: 0.7 }));
      this.svg.append(shape("text", { x: this.width - RIGHT, y: top - 8, "text-anchor": "end" }, this.width < 520 ? `${number}: zoom in` : `${number} in this window; zoom in to see each`));
    }
    faultBands() {
      const [begin, end] = this.window, bottom = this.height - 22;
      let free = -Infinity, named = null;
      const seen = this.data.faults.filter((each) => each[0] <= end && each[1] >= begin);
      // Faults that overlap share a band: a tint that is drawn twice would be darker.
      const bands = [];
      for (const [from, to] of seen.filter((each) => each[1] > each[0]).sort((one, other) => one[0] - other[0])) {
        const last = bands.at(-1);
        if (last && from <= last[1]) last[1] = Math.max(last[1], to);
        else bands.push([from, to]);
      }
      for (const [from, to] of bands) this.span(from, to, 24, bottom - 24, "var(--fault-ground)");
      for (const [from, , name] of seen) {
        const left = Math.max(LEFT, this.x(from));
        if (from >= begin && seen.length <= 400) this.svg.append(shape("line", { x1: left, x2: left, y1: 24, y2: bottom, stroke: "var(--fault)", "stroke-width": 1, opacity: seen.length > 60 ? 0.35 : 0.8 }));
        const label = from === named ? "" : this.faultLabel(seen.filter((each) => each[0] === from).map((each) => each[2]), name);
        named = from;
        const room = label.length * 6.4 + 10;
        if (label && left > free && this.width - room > free && left < this.width - RIGHT) {
          this.svg.append(shape("text", { x: Math.min(left, this.width - room) + 1, y: 18, class: "fault-name" }, label));
          free = Math.min(left, this.width - room) + room;
        }
      }
      if (this.data.warmup > begin) this.span(begin, Math.min(end, this.data.warmup), 24, bottom - 24, "var(--soft)")?.setAttribute("opacity", 0.9);
    }
    /** One label for faults that begin at one instant. */
    faultLabel(names, name) {
      if (names.length === 1) return name;
      const kinds = [...new Set(names.map((each) => each.split(":")[0]))];
      return kinds.length === 1 ? `${names.length} × ${kinds[0]}` : `${names.length} faults`;
    }
    axis(panels) {
      const [begin, end] = this.window, step = stepFor(end - begin, Math.max(3, (this.width - LEFT) / 90));
      const last = panels[panels.length - 1], bottom = last[1] + last[2];
      for (let time = Math.ceil(begin / step) * step; time <= end + 1e-9; time += step) {
        const x = this.x(time);
        for (const [, y, height] of panels) this.svg.append(shape("line", { x1: x, x2: x, y1: y, y2: y + height, stroke: "var(--line)" }));
        this.svg.append(shape("text", { x: Math.min(x, this.width - 24), y: bottom + 17, "text-anchor": "middle" }, clock(time, step)));
      }
    }
  }

  // ------------------------------------------------------------------------------ recoveries
  const AT_ONCE = 50;

  class Incidents {
    constructor(section, data, timeline) {
      this.data = data;
      this.timeline = timeline;
      this.form = $(section, ".filters");
      this.list = $(section, ".waterfall");
      this.count = $(section, ".count");
      this.more = $(section, ".more");
      this.shown = AT_ONCE;
      const rows = data.incidents.rows;
      this.fill("kind", rows.map((row) => row[2]));
      this.fill("agent", rows.map((row) => row[3]));
      this.fill("outcome", rows.map((row) => data.incidents.outcomes[row[7]]));
      this.form.addEventListener("input", () => { this.shown = AT_ONCE; this.draw(); });
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.more.addEventListener("click", () => { this.shown += AT_ONCE; this.draw(); });
      const legend = $(section, ".legend");
      for (const phase of data.incidents.phases) {
        const item = element("span", {}, phase);
        item.prepend(element("i", { class: `key p-${phase}` }));
        legend.append(item);
      }
      this.draw();
    }
    fill(name, values) {
      const found = [...new Set(values)].filter((value) => value).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      for (const value of found) this.form.elements[name].append(element("option", { value }, value));
    }
    length(row) { return (row[6] ?? this.data.end) - row[4]; }
    chosen() {
      const value = (name) => this.form.elements[name].value;
      const kind = value("kind"), agent = value("agent"), outcome = value("outcome"), text = value("text").trim().toLowerCase();
      const [begin, end] = this.timeline.window, only = this.form.elements.view.checked;
      const { outcomes } = this.data.incidents;
      const found = this.data.incidents.rows.filter((row) =>
        (!kind || row[2] === kind) && (!agent || row[3] === agent) && (!outcome || outcomes[row[7]] === outcome) &&
        (!text || `${row[1]} ${row[2]} ${row[3]} ${row[8]} ${row[9]} ${row[10]}`.toLowerCase().includes(text)) &&
        (!only || (row[4] <= end && (row[6] ?? this.data.end) >= begin)));
      return value("order") === "longest" ? found.sort((a, b) => this.length(b) - this.length(a)) : found;
    }
    changed() { if (this.form.elements.view.checked) this.draw(); }
    draw() {
      const rows = this.chosen(), all = this.data.incidents.rows.length;
      const left = this.data.incidents.leftOut ? `; ${this.data.incidents.leftOut} more are not on this page` : "";
      this.count.textContent = !all ? "No recovery was opened." : rows.length === all ? `${all} recoveries${left}` : `${rows.length} of ${all} recoveries${left}`;
      const most = Math.max(0.001, ...rows.map((row) => this.length(row)));
      const items = rows.slice(0, this.shown).map((row) => this.item(row, most));
      if (items.length) items.unshift(this.scale(most));
      this.list.replaceChildren(...items);
      this.more.hidden = rows.length <= this.shown;
      this.more.textContent = `Show ${Math.min(AT_ONCE, rows.length - this.shown)} more`;
      this.form.hidden = !all;
    }
    scale(most) {
      const item = element("li", { class: "scale", "aria-hidden": "true" });
      const axis = element("span", { class: "axis" }), step = stepFor(most, 4);
      for (let at = 0; at <= most; at += step) {
        const mark = element("span", {}, seconds(at));
        mark.style.left = `${(100 * at) / most}%`;
        if (at === 0) mark.style.transform = "none";
        else if (at > most * 0.94) mark.style.transform = "translateX(-100%)";
        axis.append(mark);
      }
      item.append(element("span", {}, "fault at"), element("span", {}, "subject"), element("span", {}, "kind"), axis, element("span", { class: "length" }, "lasted"), element("span", {}, "outcome"));
      return item;
    }
    item(row, most) {
      const { phases, outcomes } = this.data.incidents, outcome = outcomes[row[7]];
      const item = element("li", { "data-number": row[0] });
      const spoken = row[12].map(([phase, begin, end]) => `${phases[phase]} ${seconds(end - begin)}`).join(", ");
      const button = element("button", { type: "button", class: "row", "aria-expanded": "false", "aria-label": `${row[1]}, ${row[2]}, at ${clock(row[4])}, ${outcome} after ${seconds(this.length(row))}: ${spoken}` });
      const bar = element("span", { class: "bar", title: spoken });
      for (const [phase, begin, end] of row[12]) {
        const piece = element("i", { class: `p-${phases[phase]}` });
        piece.style.left = `min(${(100 * (begin - row[4])) / most}%, 100% - 2px)`;
        piece.style.width = `${(100 * (end - begin)) / most}%`;
        bar.append(piece);
      }
      button.append(element("span", { class: "when" }, clock(row[4])), element("span", { class: "subject" }, row[1]), element("span", { class: "kind" }, row[2]), bar, element("span", { class: "length" }, seconds(this.length(row))), element("span", { class: `outcome ${outcome}` }, outcome));
      button.addEventListener("click", () => this.toggle(item, row));
      item.append(button);
      return item;
    }
    toggle(item, row) {
      const button = $(item, ".row"), open = $(item, ".detail");
      button.setAttribute("aria-expanded", String(!open));
      if (open) return open.remove();
      const detail = element("div", { class: "detail" }), list = element("dl");
      const add = (name, value) => { if (value !== "" && value !== null && value !== undefined) list.append(element("dt", {}, name), element("dd", {}, String(value))); };
      add("cause", row[8]);
      add("agent", row[3]);
      for (const [phase, begin, end] of row[12]) add(this.data.incidents.phases[phase], `${seconds(end - begin)}, from ${clock(begin, 0.01)} to ${clock(end, 0.01)}`);
      add("diagnosis", row[9]);
      for (const [name, begin, end, ok] of row[13]) add("step", `${name}: ${ok ? "completed" : "not completed"} in ${seconds(end - begin)}`);
      add("failed tries", row[11] || "");
      add("end", [this.data.incidents.outcomes[row[7]], row[10]].filter((each) => each).join(": "));
      const zoom = element("button", { type: "button" }, "Show in the timeline");
      zoom.addEventListener("click", () => {
        const length = Math.max(this.length(row), 0.1);
        this.timeline.show(row[4] - length * 0.5, row[4] + length * 1.5);
        this.timeline.place.scrollIntoView({ block: "center" });
        this.timeline.place.focus({ preventScroll: true });
      });
      detail.append(list, zoom);
      item.append(detail);
      return undefined;
    }
    pick(row) {
      this.form.reset();
      const place = this.chosen().indexOf(row);
      this.shown = Math.max(AT_ONCE, place + 1);
      this.draw();
      const item = this.list.children[place + 1];
      if (!$(item, ".detail")) this.toggle(item, row);
      item.scrollIntoView({ block: "center" });
      $(item, ".row").focus({ preventScroll: true });
    }
  }

  for (const section of $$(document, ".run")) {
    const data = JSON.parse(document.getElementById(section.dataset.run).textContent);
    let incidents = null;
    const timeline = new Timeline(section, data, () => incidents?.changed(), (row) => incidents.pick(row));
    incidents = new Incidents(section, data, timeline);
    timeline.draw();
  }

  // ------------------------------------------------------------------------------ tables, sweeps, commands
  for (const search of $$(document, ".metric-search")) {
    search.addEventListener("input", () => {
      const text = search.value.trim().toLowerCase();
      for (const row of $$(search.closest("details"), "tr")) row.hidden = Boolean(text) && !row.textContent.toLowerCase().includes(text);
      for (const table of $$(search.closest("details"), "table")) {
        const none = !$$(table, "tbody tr").some((row) => !row.hidden);
        table.hidden = none;
        table.previousElementSibling.hidden = none;
      }
    });
  }
  for (const choice of $$(document, ".metric-choice")) {
    const choose = () => { for (const each of $$(choice.closest("section"), ".choice")) each.hidden = each.dataset.choice !== choice.value; };
    choice.addEventListener("change", choose);
    choose();
  }
  for (const button of $$(document, ".copy")) {
    button.addEventListener("click", async () => {
      const text = button.previousElementSibling.textContent;
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { getSelection().selectAllChildren(button.previousElementSibling); }
    });
  }
})();
