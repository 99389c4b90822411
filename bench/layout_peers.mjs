// Lays a graph from standard input out by dagre or elkjs: node layout_peers.mjs ENGINE FOLDER < graph.json
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const [engine, folder] = process.argv.slice(2);
const load = createRequire(resolve(folder, "package.json"));
const { sizes, edges, gap, rank } = JSON.parse(readFileSync(0, "utf8"));

function byDagre() {
  const dagre = load("@dagrejs/dagre");
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ nodesep: gap, ranksep: rank });
  graph.setDefaultEdgeLabel(() => ({}));
  sizes.forEach(([width, height], node) => graph.setNode(String(node), { width, height }));
  edges.forEach(([tail, head], edge) => graph.setEdge(String(tail), String(head), {}, String(edge)));
  dagre.layout(graph);
  return {
    middles: sizes.map((_, node) => [graph.node(String(node)).x, graph.node(String(node)).y]),
    routes: edges.map(([tail, head], edge) =>
      graph.edge(String(tail), String(head), String(edge)).points.map(({ x, y }) => [x, y])),
  };
}

async function byElk() {
  const Elk = load("elkjs/lib/elk.bundled.js");
  const found = await new Elk().layout({
    id: "root",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "DOWN",
      "elk.spacing.nodeNode": String(gap),
      "elk.layered.spacing.nodeNodeBetweenLayers": String(rank),
    },
    children: sizes.map(([width, height], node) => ({ id: `n${node}`, width, height })),
    edges: edges.map(([tail, head], edge) => ({ id: `e${edge}`, sources: [`n${tail}`], targets: [`n${head}`] })),
  });
  const points = ({ sections: [{ startPoint, bendPoints = [], endPoint }] }) =>
    [startPoint, ...bendPoints, endPoint].map(({ x, y }) => [x, y]);
  return {
    middles: found.children.map(({ x, y, width, height }) => [x + width / 2, y + height / 2]),
    routes: found.edges.map(points),
  };
}

const before = process.cpuUsage();
const found = engine === "dagre" ? byDagre() : await byElk();
const { user, system } = process.cpuUsage(before);
process.stdout.write(JSON.stringify({ ...found, seconds: (user + system) / 1e6 }));
