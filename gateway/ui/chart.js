// Lines over steps, drawn by uPlot, in the page's colours.

import { h, say } from './dom.js';

const HEIGHT = 168;

function library() {
  if (window.uPlot) return Promise.resolve();
  const script = document.getElementById('charts');
  return new Promise((done, fail) => {
    script.addEventListener('load', done);
    script.addEventListener('error', () => fail(new Error('uPlot')));
  });
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A card with lines; `lines` are [{label, colour, of(curve)}], `show(value)` writes a number. */
export function chart({ title, lines, show, signal }) {
  const now = h('output');
  const canvas = h('div.plot', { role: 'img', 'aria-label': title });
  const legend = lines.length > 1 && h('p.legend', lines.map((line) => h('span', h('i', { style: { background: `var(${line.colour})` } }), line.label)));
  const card = h('section.chart', h('header', h('h3', title), now), canvas, legend);
  let plot, data, draw;

  const options = () => ({
    width: canvas.clientWidth, height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { sync: { key: 'steps' }, drag: { x: true, y: false } },
    scales: { x: { time: false } },
    axes: [axis({}), axis({ size: 44, values: (_, ticks) => ticks.map(show) })],
    series: [{}, ...lines.map((line) => ({ stroke: colour(line.colour), width: line.faint ? 1 : 1.75, alpha: line.faint ? 0.35 : 1, points: { show: false }, spanGaps: true }))],
    hooks: { setCursor: [() => tell(plot?.cursor.idx)] },
  });
  const axis = (more) => ({ stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: `11px ${getComputedStyle(document.body).fontFamily}`, ...more });

  function tell(index) {
    const at = index ?? data[0].length - 1;
    const value = data.at(-1)[at];
    say(now, value == null ? '–' : show(value));
    now.classList.toggle('past', index != null);
  }
  function again() {
    plot?.destroy();
    plot = undefined;
    if (data && canvas.clientWidth) plot = new window.uPlot(options(), data, canvas);
  }
  /** Draws at most once a frame, however quickly the steps come. */
  function set(curve, smooth) {
    data = [curve.step, ...lines.map((line) => line.of(curve, smooth))];
    const last = data.at(-1).findLast((value) => value != null);
    canvas.setAttribute('aria-label', `${title}: ${last == null ? '–' : show(last)}`);
    draw ??= requestAnimationFrame(() => {
      draw = undefined;
      if (plot) plot.setData(data);
      else again();
      tell();
    });
  }
  library().then(() => {
    const size = new ResizeObserver(() => (plot ? plot.setSize({ width: canvas.clientWidth, height: HEIGHT }) : data && again()));
    size.observe(canvas);
    addEventListener('themechange', again, { signal });
    signal.addEventListener('abort', () => { size.disconnect(); plot?.destroy(); });
  });
  return { card, set: (...given) => library().then(() => set(...given)) };
}

/** An exponential moving average over about `span` points; gaps stay gaps. */
export function smoothed(values, span) {
  let mean = null;
  return values.map((value) => {
    if (value == null) return null;
    mean = mean === null ? value : mean + (value - mean) / span;
    return mean;
  });
}

