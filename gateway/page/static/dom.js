// Elements without markup: every text goes through textContent, whatever it holds.

/** h('div.card', {onclick}, 'text', node): classes and properties may be left out. */
export function h(tag, ...children) {
	const [name, ...classes] = tag.split('.');
	const node = document.createElement(name);
	node.className = classes.join(' ');
	const properties = children[0]?.constructor === Object ? children.shift() : {};
	// A select takes its value once it has its options.
	fill(node, children);
	for (const [key, value] of Object.entries(properties)) {
		if (key === 'style') for (const [property, one] of Object.entries(value)) node.style.setProperty(property, one);
		else if (value === undefined) continue;
		else if (key in node) node[key] = value;
		else node.setAttribute(key, value);
	}
	return node;
}

/** Gives `node` these children; those that it has stay untouched, with their focus. */
export function fill(node, ...children) {
	const wanted = children.flat(Infinity).filter((child) => child || child === 0).map((child) => (child instanceof Node ? child : new Text(child)));
	for (const old of [...node.childNodes]) if (!wanted.includes(old)) old.remove();
	wanted.forEach((child, i) => child === node.childNodes[i] || node.insertBefore(child, node.childNodes[i] ?? null));
}

/** Nodes of items, for `fill`: one for each key, made once. */
export function keyed(key, make) {
	const made = {};
	return (items) => items.map((item) => (made[item[key]] ??= make(item)));
}

/** The same of what `make` gives as {node, update}. */
export function live(key, make) {
	const rows = keyed(key, make);
	return (items) => rows(items).map(({ node, update }, i) => update(items[i]) ?? node);
}

export function say(node, text) {
	if (node.textContent !== text) node.textContent = text;
}
