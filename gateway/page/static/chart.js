// Lines over steps, drawn by uPlot, in the page's colours.

import { shell } from './api.js';
import { h, muted, say, t } from './parts.js';

const HEIGHT = 168;
const script = document.getElementById('charts');
const library = new Promise((done) => (window.uPlot ? done() : script?.addEventListener('load', done)));

/** As the canvas takes it. */
function colour(name) {
	document.body.style.outlineColor = `var(${name})`;
	return getComputedStyle(document.body).outlineColor;
}

/** A card with `lines`: {label, colour, faint, of(curve)}. */
export function chart(title, lines, write) {
	const now = h('output');
	const host = script ? h('div.plot', { role: 'img' }) : muted(t('curves.missing'));
	const legend = lines.filter((line) => line.label).map((line) => h('span', h('i', { style: { background: `var(${line.colour})` } }), line.label));
	const card = h('section.chart', h('header', h('h2', title), now), host, legend[0] && h('p.legend', legend));
	let plot, data, end;
	const tell = (index) => {
		const value = data.at(-1).at(index ?? -1);
		say(now, value == null ? '–' : write(value));
	};
	const draw = () => {
		plot?.destroy();
		const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: `11px ${getComputedStyle(host).fontFamily}` };
		plot = new window.uPlot({
			width: host.clientWidth, height: HEIGHT, legend: { show: false }, padding: [10, 6, 0, 0], scales: { x: { time: false } },
			cursor: { sync: { key: 'steps' } }, hooks: { setCursor: [(self) => tell(self.cursor.idx)] },
			axes: [{ ...axis, size: 26 }, { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => write(tick)) }],
			series: [{}, ...lines.map((line) => ({ stroke: colour(line.colour), width: line.faint ? 1 : 1.75, alpha: line.faint ? 0.35 : 1, points: { show: false } }))],
		}, data, host);
	};
	const { signal } = shell;
	library.then(() => {
		const size = new ResizeObserver(() => plot?.setSize({ width: host.clientWidth, height: HEIGHT }));
		size.observe(host);
		addEventListener('themechange', () => data && draw(), { signal });
		signal.addEventListener('abort', () => size.disconnect());
	});
	const set = async (curve, smooth) => {
		// Who has zoomed in, or points at a step, stays there.
		const zoomed = plot && (plot.scales.x.min > curve.step[0] || plot.scales.x.max < end);
		data = [curve.step, ...lines.map((line) => line.of(curve, smooth))];
		end = curve.step.at(-1);
		tell(plot?.cursor.idx);
		host.ariaLabel = `${title}: ${now.textContent}`;
		await library;
		if (!plot) return host.isConnected && curve.step.length && draw();
		plot.setData(data, !zoomed);
		if (zoomed) plot.redraw();
	};
	return { card, set };
}

/** Exponential moving average over about `span` points; gaps stay gaps. */
export function smoothed(values, span) {
	let mean = null;
	return values.map((value) => value == null ? null : (mean = mean === null ? value : mean + (value - mean) / span));
}
