// Lines over steps, drawn by uPlot, in the page's colours.

import { h, muted, say, shell, t } from './parts.js';

const HEIGHT = 168;
const script = document.getElementById('charts');
const library = new Promise((done) => (window.uPlot ? done() : script?.addEventListener('load', done)));

function colour(name) {
	document.body.style.outlineColor = `var(${name})`;
	return getComputedStyle(document.body).outlineColor;
}

/** `lines` are {label, colour, faint, dash, of(point), isSmooth, isRough}; those with a dash are of steps of their own,
 * and a rough one is seen behind a smooth one. */
export function chart(title, lines, write) {
	const now = h('output');
	const host = script ? h('div.plot', { role: 'slider', tabIndex: 0, ariaLabel: title, ariaValueNow: 0 }) : muted(t('curves.missing'));
	const values = lines.map(() => h('b'));
	const legend = lines.map(({ label, colour }, i) => label && h('span', h('i', { style: { background: `var(${colour})` } }), label, ' ', values[i]));
	const card = h('section.chart', h('header', h('h2', title), now), host, legend[0] && h('p.legend', legend));
	let plot, data, end;
	const tell = (index) => {
		const at = index ?? data[0].length - 1;
		const reached = (of, i) => (lines[i].dash ? of.slice(0, at + 1).findLast((value) => value != null) : of[at]);
		const measured = data.slice(1).map((of, i) => write(reached(of, i)));
		values.forEach((node, i) => say(node, measured[i]));
		const named = t('chart.step', { step: data[0][at] ?? '–' });
		say(now, [index != null && named, !legend[0] && measured.at(-1)].filter(Boolean).join(' · '));
		const said = lines.flatMap(({ label = '', faint }, i) => (faint ? [] : `${label} ${measured[i]}`));
		Object.assign(host, { ariaValueNow: Math.max(0, at), ariaValueMax: Math.max(0, data[0].length - 1), ariaValueText: `${named}: ${said.join(', ')}` });
	};
	host.onkeydown = (event) => {
		const last = data?.[0].length - 1;
		const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -last, End: last }[event.key];
		if (!plot || by === undefined) return;
		event.preventDefault();
		const at = Math.min(last, Math.max(0, (plot.cursor.idx ?? last + (by < 0)) + by));
		plot.setCursor({ left: plot.valToPos(data[0][at], 'x'), top: 0 }, true, true);
	};
	host.onblur = () => plot?.setCursor({ left: -10, top: -10 }, true, true);
	const draw = () => {
		plot?.destroy();
		const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: `11px ${getComputedStyle(host).fontFamily}` };
		plot = new window.uPlot({
			width: host.clientWidth, height: HEIGHT, legend: { show: false }, padding: [10, 6, 0, 0], scales: { x: { time: false } },
			cursor: { sync: { key: 'steps' } }, hooks: { setCursor: [(self) => tell(self.cursor.idx)] },
			axes: [{ ...axis, size: 26 }, { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => write(tick)) }],
			series: [{}, ...lines.map((line) => ({ stroke: colour(line.colour), width: line.faint ? 1 : 1.75, alpha: line.faint ? 0.35 : 1, dash: line.dash, spanGaps: !!line.dash, points: { show: !!line.dots } }))],
		}, data, host);
	};
	const { signal } = shell;
	library.then(() => {
		const size = new ResizeObserver(() => plot?.setSize({ width: host.clientWidth, height: HEIGHT }));
		size.observe(host);
		addEventListener('themechange', () => data && draw(), { signal });
		signal.addEventListener('abort', () => size.disconnect());
	});
	const set = async (points, smooths) => {
		const values = ({ of, isSmooth, isRough }) => {
			const all = isRough && !smooths ? [] : points.map((point) => of(point) ?? null);
			return isSmooth && smooths ? smoothed(all, Math.max(2, all.length / 25)) : all;
		};
		// Who has zoomed in, or points at a step, stays there.
		const zoomed = plot && (plot.scales.x.min > points[0].step || plot.scales.x.max < end);
		data = [points.map(({ step }) => step), ...lines.map(values)];
		end = data[0].at(-1);
		tell(plot?.cursor.idx);
		await library;
		if (!plot) return host.isConnected && points[0] && draw();
		plot.setData(data, !zoomed);
		if (zoomed) plot.redraw();
	};
	return { card, set };
}

/** Exponential moving average over about `span` points; gaps stay gaps. */
function smoothed(values, span) {
	let mean = null;
	return values.map((value) => value == null ? null : (mean = mean === null ? value : mean + (value - mean) / span));
}
