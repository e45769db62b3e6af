//! An array's chunk grid as a small picture, in the manner of Dask's notebooks.

use std::fmt::Write;

use super::palette::INK;
use super::xml::escape;
use crate::base::chunks::Chunks;

/// The longest side, in the picture's units.
const LONGEST: f64 = 140.0;
/// How far a third axis goes back, up and to the right.
const DEPTH: f64 = 0.45;
/// More lines of an axis are not drawn: evenly chosen ones stand for them.
const MOST_LINES: usize = 24;
const MARGIN: f64 = 14.0;
const TEXT: f64 = 11.0;
const CHARACTER: f64 = 6.4;

/// An array's chunks as a small SVG: one axis as a bar, two as a rectangle, three as a box; of more axes, the last
/// three as a box and those before them as further pictures on its left. Sides tell sizes apart, not their exact
/// ratio; of many chunks, some lines are drawn.
///
/// [`Array::grid_svg`](crate::Array::grid_svg) is the short form.
///
/// ```
/// use flagstone::{Array, observe};
///
/// let x = Array::<f32>::zeros([2920, 180, 360], [365, 90, 90]);
/// let svg = observe::grid_svg(x.chunks());
/// assert!(svg.starts_with("<svg") && svg.contains("2920"));
/// ```
pub fn grid_svg(chunks: &Chunks) -> String {
    let shape = chunks.shape();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut end = shape.len();
    while end > 0 {
        let start = end.saturating_sub(3);
        groups.insert(0, (start..end).collect());
        end = start;
    }
    let mut parts = Vec::new();
    let mut x = 0.0;
    let mut height: f64 = 0.0;
    let sides = sides(&shape);
    for axes in &groups {
        let part = draw(chunks, axes, &sides);
        height = height.max(part.height);
        parts.push((x, part.body));
        x += part.width;
    }
    if groups.is_empty() {
        // A single element.
        let side = 2.0 * MARGIN;
        let body = "<rect x=\"7\" y=\"7\" width=\"14\" height=\"14\" fill=\"#fbd3a4\" stroke=\"#57606a\"/>";
        (x, height) = (side, side);
        parts.push((0.0, body.to_owned()));
    }
    let numbers: Vec<String> = chunks.num_blocks().iter().map(usize::to_string).collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"grid\" role=\"img\" color=\"{INK}\" width=\"{x:.0}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {x:.0} {height:.0}\" font-family=\"system-ui, 'Segoe UI', sans-serif\" \
         font-size=\"{TEXT}\">\n<title>{}</title>\n<desc>{}</desc>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        escape(&format!("array of shape {shape:?}")),
        escape(&format!(
            "{} chunks, {} along the axes: {chunks}",
            chunks.count(),
            match numbers.is_empty() {
                true => "none".to_owned(),
                false => numbers.join(" × "),
            }
        )),
    );
    for (x, body) in parts {
        let _ = writeln!(svg, "<g transform=\"translate({x:.1} 0)\">{body}</g>");
    }
    svg.push_str("</svg>\n");
    svg
}

/// A picture of up to three axes.
struct Part {
    body: String,
    width: f64,
    height: f64,
}

/// The length of each axis in the drawing: ratios up to e are true, greater ones grow with the logarithm.
fn sides(shape: &[usize]) -> Vec<f64> {
    let longest = shape.iter().copied().max().unwrap_or(1).max(1) as f64;
    let response = |ratio: f64| {
        if ratio < std::f64::consts::E {
            ratio
        } else {
            (ratio.min(100.0) + 12.4).ln()
        }
    };
    shape
        .iter()
        .map(|&n| LONGEST / response(longest / (n as f64).max(0.1)))
        .collect()
}

/// Where the chunks of an axis begin and end, on a side of this length; at most so many that lines stay apart.
fn lines(chunks: &Chunks, axis: usize, side: f64) -> Vec<f64> {
    let total = chunks.shape()[axis].max(1) as f64;
    let n = chunks.num_blocks()[axis];
    let step = n.div_ceil(MOST_LINES).max(1);
    let mut at = 0_usize;
    let mut lines = vec![0.0];
    for (number, size) in chunks.sizes(axis).enumerate() {
        at += size;
        if (number + 1) % step == 0 && number + 1 < n {
            lines.push(at as f64 / total * side);
        }
    }
    lines.push(side);
    lines
}

fn draw(chunks: &Chunks, axes: &[usize], sides: &[f64]) -> Part {
    let shape = chunks.shape();
    let label = |axis: usize| shape[axis].to_string();
    let across = *axes.last().expect("a group has axes");
    let right = lines(chunks, across, sides[across]);
    // A single axis is a bar of a fixed height.
    let (down, down_axis) = match axes.len() {
        1 => (vec![0.0, 22.0], None),
        _ => {
            let axis = axes[axes.len() - 2];
            (lines(chunks, axis, sides[axis]), Some(axis))
        }
    };
    let back: Vec<(f64, f64)> = match axes.len() {
        3 => lines(chunks, axes[0], sides[axes[0]] * DEPTH),
        _ => vec![0.0],
    }
    .into_iter()
    .map(|at| (at, at))
    .collect();
    let (wide, high) = (right[right.len() - 1], down[down.len() - 1]);
    let (deep, up) = back[back.len() - 1];
    // The label of the slope stands on its left.
    let room = match axes.len() {
        3 => (label(axes[0]).len() as f64 * CHARACTER - deep / 2.0).max(0.0),
        _ => 0.0,
    };
    // The front's corner: the back goes up and to the right of it.
    let (x0, y0) = (MARGIN + room, MARGIN + up);
    let mut body = String::new();
    let mut face = |points: [(f64, f64); 4], color: &str| {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", x0 + x, y0 + y))
            .collect();
        let _ = write!(
            body,
            "<polygon points=\"{}\" fill=\"{color}\" stroke=\"#57606a\" stroke-width=\"1.2\"/>",
            points.join(" ")
        );
    };
    face(
        [(0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high)],
        "#fbd3a4",
    );
    if axes.len() == 3 {
        face(
            [(0.0, 0.0), (deep, -up), (wide + deep, -up), (wide, 0.0)],
            "#fde3c6",
        );
        face(
            [
                (wide, 0.0),
                (wide + deep, -up),
                (wide + deep, high - up),
                (wide, high),
            ],
            "#f0bd85",
        );
    }
    let mut path = String::new();
    let mut line = |from: (f64, f64), to: (f64, f64)| {
        let _ = write!(
            path,
            "M{:.1} {:.1}L{:.1} {:.1}",
            x0 + from.0,
            y0 + from.1,
            x0 + to.0,
            y0 + to.1
        );
    };
    for &x in &right[1..right.len() - 1] {
        line((x, 0.0), (x, high));
        if deep > 0.0 {
            line((x, 0.0), (x + deep, -up));
        }
    }
    for &y in &down[1..down.len() - 1] {
        line((0.0, y), (wide, y));
        if deep > 0.0 {
            line((wide, y), (wide + deep, y - up));
        }
    }
    for &(x, y) in &back[1..back.len().max(2) - 1] {
        line((x, -y), (wide + x, -y));
        line((wide + x, -y), (wide + x, high - y));
    }
    let _ = write!(
        body,
        "<path d=\"{path}\" fill=\"none\" stroke=\"#57606a\" stroke-width=\"0.7\"/>"
    );
    let mut width = 2.0 * MARGIN + room + wide + deep;
    let height = 2.0 * MARGIN + high + up + TEXT + 4.0;
    let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
        let _ = write!(
            body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{text}</text>"
        );
    };
    text(
        x0 + wide / 2.0,
        y0 + high + TEXT + 5.0,
        "middle",
        &label(across),
    );
    if let Some(axis) = down_axis {
        let name = label(axis);
        width += name.len() as f64 * CHARACTER;
        text(
            x0 + wide + deep + 6.0,
            y0 + high / 2.0 - up + 4.0,
            "start",
            &name,
        );
    }
    if axes.len() == 3 {
        text(
            x0 + deep / 2.0 - 6.0,
            y0 - up / 2.0 - 3.0,
            "end",
            &label(axes[0]),
        );
    }
    Part {
        body,
        width,
        height,
    }
}
