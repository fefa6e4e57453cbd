// Draws the isosurface of a map with Mol*, in one colour or coloured by the values of a second map.
import { PluginContext } from "molstar/lib/mol-plugin/context.js";
import { PluginBehaviors } from "molstar/lib/mol-plugin/behavior.js";
import { PluginSpec } from "molstar/lib/mol-plugin/spec.js";
import { createVolumeRepresentationParams } from "molstar/lib/mol-plugin-state/helpers/volume-representation-params.js";
import { StateTransforms } from "molstar/lib/mol-plugin-state/transforms.js";
import { Volume } from "molstar/lib/mol-model/volume.js";
import { Color } from "molstar/lib/mol-util/color/index.js";
import { Mat4, Vec3 } from "molstar/lib/mol-math/linear-algebra.js";

const STEP = Math.PI / 12;
// The camera is set for the whole box; what is seen in it is smaller.
const CLOSER = 0.62;

export async function drawSurface(stage, map, colours, { ramp, range: given, dark }) {
  const plugin = new PluginContext({
    actions: [],
    animations: [],
    behaviors: [PluginSpec.Behavior(PluginBehaviors.Camera.CameraControls)],
  });
  await plugin.init();
  const canvas = document.createElement("canvas");
  stage.append(canvas);
  if (!(await plugin.initViewerAsync(canvas, stage))) throw new Error("The surface can't be drawn by this browser.");
  const volume = await read(plugin, map);
  const colour = colours ? await read(plugin, colours) : null;
  let threshold = startingThreshold(volume.data.grid);
  const domain = colour ? given ?? range(colour.data.grid, volume.data.grid, threshold) : null;
  const parameters = () =>
    createVolumeRepresentationParams(plugin, volume.data, {
      type: "isosurface",
      typeParams: { isoValue: Volume.IsoValue.relative(threshold), alpha: 1, quality: "high" },
      ...(colour
        ? { color: "external-volume", colorParams: { volume: { ref: colour.ref, getValue: () => colour.data }, coloring: { name: "absolute-value", params: { domain: { name: "custom", params: domain }, list: { kind: "interpolate", colors: ramp.map((c) => Color(c)) } } } } }
        : { color: "uniform", colorParams: { value: Color(0x4f97bd) } }),
    });
  const shape = await plugin.build().to(volume.ref).apply(StateTransforms.Representation.VolumeRepresentation3D, parameters()).commit();
  const drawing = {
    threshold,
    domain,
    highest: highest(volume.data.grid),
    async setThreshold(value) {
      threshold = value;
      await plugin.build().to(shape.ref).update(parameters()).commit();
    },
    turn: (x, y) => turn(plugin, x * STEP, y * STEP),
    zoom: (factor) => zoom(plugin, factor),
    reset: () => {
      plugin.managers.camera.reset();
      setTimeout(() => zoom(plugin, CLOSER), 300);
    },
    dark: (now) => plugin.canvas3d?.setProps({ renderer: { backgroundColor: Color(now ? 0x1b2934 : 0xf1eee6) } }),
    dispose: () => plugin.dispose(),
  };
  plugin.canvas3d?.setProps({ camera: { helper: { axes: { name: "off", params: {} } } }, transparentBackground: false });
  drawing.dark(dark);
  drawing.reset();
  new ResizeObserver(() => plugin.handleResize()).observe(stage);
  stage.dataset.drawn = "yes";
  return drawing;
}

async function read(plugin, bytes) {
  const data = await plugin.builders.data.rawData({ data: bytes });
  const parsed = plugin.build().to(data).apply(StateTransforms.Data.ParseCcp4, {}).apply(StateTransforms.Volume.VolumeFromCcp4, {});
  const found = await parsed.commit();
  return { ref: found.ref, data: found.data };
}

const highest = ({ stats }) => (stats.max - stats.mean) / stats.sigma;

// A particle fills a small part of its box: the level that keeps its brightest few per cent shows its outline,
// unless that is still within the noise of the solvent around it (five times its median deviation).
function startingThreshold(grid) {
  const values = Float32Array.from(grid.cells.data).sort();
  const middle = values[values.length >> 1];
  const off = values.map((value) => Math.abs(value - middle)).sort();
  const noise = off[off.length >> 1] * 1.4826;
  const level = Math.max(values[Math.floor(values.length * 0.97)], middle + 5 * noise);
  const relative = (level - grid.stats.mean) / grid.stats.sigma;
  return Math.round(Math.min(Math.max(relative, 1), highest(grid) * 0.7) * 10) / 10;
}

// The colours span what is seen: values of the second map inside the surface, where both have the same grid.
function range(grid, map, threshold) {
  const level = map.stats.mean + threshold * map.stats.sigma;
  const shape = map.cells.data;
  const same = shape.length === grid.cells.data.length;
  const values = Float32Array.from(grid.cells.data).filter((value, at) => value > 0 && (!same || shape[at] > level)).sort();
  const at = (share) => values[Math.floor((values.length - 1) * share)] ?? 0;
  return at(0.95) > at(0.02) ? [at(0.02), at(0.95)] : [grid.stats.min, grid.stats.max];
}

function turn(plugin, x, y) {
  const camera = plugin.canvas3d.camera;
  const { target, position, up } = camera.state;
  const arm = Vec3.sub(Vec3(), position, target);
  const side = Vec3.normalize(Vec3(), Vec3.cross(Vec3(), up, arm));
  const rotation = Mat4.mul(Mat4(), Mat4.fromRotation(Mat4(), -x, Vec3.normalize(Vec3(), up)), Mat4.fromRotation(Mat4(), -y, side));
  const turned = Vec3.transformDirection(Vec3(), arm, rotation);
  const upright = Vec3.normalize(Vec3(), Vec3.transformDirection(Vec3(), up, rotation));
  camera.setState({ position: Vec3.add(Vec3(), target, turned), up: upright }, 150);
}

function zoom(plugin, factor) {
  const camera = plugin.canvas3d.camera;
  const { target, position } = camera.state;
  const arm = Vec3.scale(Vec3(), Vec3.sub(Vec3(), position, target), factor);
  camera.setState({ position: Vec3.add(Vec3(), target, arm) }, 150);
}
