// Elements without markup: every text goes through textContent, whatever it holds.

const SVG = 'http://www.w3.org/2000/svg';

function build(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name in node && !name.includes('-') && node.namespaceURI !== SVG && name !== 'list') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...flat(children));
  return node;
}

const flat = (children) => children.flat(Infinity).filter((c) => c != null && c !== false && c !== '');

/** h('div.card', {onclick}, 'text', node): classes and properties may be there; null children are left out. */
export function h(tag, ...children) {
  const [name, ...classes] = tag.split('.');
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(' ');
  return build(node, children[0]?.constructor === Object ? children.shift() : {}, children);
}

export const s = (tag, properties, ...children) => build(document.createElementNS(SVG, tag), properties, children);

export const fill = (node, ...children) => node.replaceChildren(...flat(children));

/** Shows `text` in `node`; touches nothing where it is shown already. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
