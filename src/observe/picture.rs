//! Plans and task graphs as pictures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use super::layout::{Size, layout};
use super::palette::{INK, gradient, tint};
use super::profile::Profile;
use super::xml::{escape, shorten};
use crate::exec::Outline;

/// What a [`Picture`] is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The operations as they were written, optimized; where delayed calls take part, as [`View::Stages`].
    Plan,
    /// What is materialized together.
    #[default]
    Stages,
    /// The tasks of the stages.
    Tasks,
}

/// What the colours of a [`Picture`] tell.
#[derive(Clone, Debug, Default)]
pub enum ColorBy {
    /// Each operation has its own.
    #[default]
    Op,
    /// From the first to the last, in the order in which nodes are activated.
    Order,
    /// The thread that ran a task, or most tasks of a stage, of the first computation of a profile.
    Worker(Box<Profile>),
}

/// A plan or a graph of tasks, to be drawn: as SVG without any other program, or in Graphviz' DOT language.
///
/// At most [`MOST_NODES`](Picture::MOST_NODES) nodes and [`MOST_EDGES`](Picture::MOST_EDGES) edges are drawn; a larger graph is summarized: tasks by stages, and if
/// these are too many, too, what has the same name by one node.
///
/// ```
/// use flagstone::Array;
/// use flagstone::observe::{ColorBy, View};
///
/// let x = Array::<f64>::ones([100, 100], 50);
/// let picture = (&x - &x.mean(0)).square().sum(..).visualize(View::Tasks)?;
/// assert!(!picture.is_summarized());
/// assert!(picture.to_svg().starts_with("<svg"));
/// assert!(picture.color_by(ColorBy::Order).to_dot().starts_with("digraph"));
/// # Ok::<(), flagstone::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Picture {
    title: String,
    nodes: Vec<PictureNode>,
    edges: Vec<(usize, usize)>,
    summarized: bool,
    color_by: ColorBy,
}

/// A node before it is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct PictureNode {
    /// What all nodes of its kind are called.
    pub op: String,
    /// One or two lines.
    pub lines: Vec<String>,
    /// All that there is to say.
    pub detail: String,
    /// When it comes, from 0 to 1.
    pub order: f64,
    /// The first task that it stands for, and how many.
    pub first_task: u32,
    pub tasks: u32,
}

const CHARACTER: f64 = 6.9;
const LINE: f64 = 15.0;
const MARGIN: f64 = 12.0;
/// Longer names are shortened; the whole one is shown by pointing at it.
const MOST_CHARACTERS: usize = 34;
const MOST_KEYS: usize = 12;

impl Picture {
    /// More nodes are summarized.
    pub const MOST_NODES: usize = 500;
    /// More edges are, too.
    pub const MOST_EDGES: usize = 3_000;

    pub(crate) fn new(
        title: impl Into<String>,
        nodes: Vec<PictureNode>,
        mut edges: Vec<(usize, usize)>,
    ) -> Picture {
        edges.retain(|(from, to)| from != to);
        edges.sort_unstable();
        edges.dedup();
        let mut picture = Picture {
            title: title.into(),
            nodes,
            edges,
            summarized: false,
            color_by: ColorBy::Op,
        };
        if picture.nodes.len() > Picture::MOST_NODES || picture.edges.len() > Picture::MOST_EDGES {
            picture.summarize();
        }
        picture
    }

    /// The stages of a computation.
    pub(crate) fn of_stages(outline: &Outline) -> Picture {
        let n = outline.stages.len().max(2) - 1;
        let nodes = outline.stages.iter().enumerate().map(|(number, stage)| {
            let s = if stage.running() == 1 { "" } else { "s" };
            PictureNode {
                op: stage.op().to_owned(),
                lines: vec![
                    format!("{}. {}", number + 1, stage.name),
                    format!("{} task{s}", stage.running()),
                ],
                detail: format!("{}. {}: {}", number + 1, stage.name, stage.detail),
                order: number as f64 / n as f64,
                first_task: stage.first_task,
                tasks: stage.tasks,
            }
        });
        let edges = outline
            .stages
            .iter()
            .enumerate()
            .flat_map(|(to, stage)| stage.inputs.iter().map(move |&from| (from, to)));
        Picture::new(&*outline.name, nodes.collect(), edges.collect())
    }

    /// Says that the nodes stand for more than was asked for.
    pub(crate) fn summarized(mut self) -> Picture {
        self.summarized = true;
        self
    }

    /// Whether nodes stand for several of what was asked for.
    pub fn is_summarized(&self) -> bool {
        self.summarized
    }

    /// The number of nodes that are drawn.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The number of edges that are drawn.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Chooses what the colours tell; [`ColorBy::Op`] if it is not called.
    #[must_use]
    pub fn color_by(mut self, what: ColorBy) -> Picture {
        self.color_by = what;
        self
    }

    /// One node for all of the same name at the same depth, or, if these are still too many, of the same name.
    fn summarize(&mut self) {
        let depths = self.depths();
        for by_depth in [true, false] {
            let mut groups: BTreeMap<(usize, &str), usize> = BTreeMap::new();
            let mut nodes: Vec<PictureNode> = Vec::new();
            let mut counts: Vec<usize> = Vec::new();
            let mut group_of = Vec::with_capacity(self.nodes.len());
            for (node, &depth) in self.nodes.iter().zip(&depths) {
                let depth = if by_depth { depth } else { 0 };
                // Beyond the last group that may be drawn, the others share one.
                let full = nodes.len() + 1 >= Picture::MOST_NODES;
                let key = match full && !groups.contains_key(&(depth, &*node.op)) {
                    true => (usize::MAX, "others"),
                    false => (depth, &*node.op),
                };
                let group = *groups.entry(key).or_insert_with(|| {
                    nodes.push(PictureNode {
                        op: key.1.to_owned(),
                        ..node.clone()
                    });
                    counts.push(0);
                    nodes.len() - 1
                });
                counts[group] += 1;
                group_of.push(group);
            }
            if by_depth && groups.contains_key(&(usize::MAX, "others")) {
                continue;
            }
            for (node, &count) in nodes.iter_mut().zip(&counts) {
                if count > 1 {
                    node.lines = vec![node.op.clone(), format!("× {count}")];
                    node.detail = format!("{} of {}", count, node.op);
                }
            }
            let edges: BTreeSet<(usize, usize)> = self
                .edges
                .iter()
                .map(|&(from, to)| (group_of[from], group_of[to]))
                .filter(|(from, to)| from != to)
                .collect();
            self.nodes = nodes;
            self.edges = edges.into_iter().collect();
            self.summarized = true;
            return;
        }
    }

    /// The longest path to each node; nodes stand behind their inputs.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        let mut inputs: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for &(from, to) in &self.edges {
            inputs[to].push(from);
        }
        for node in 0..self.nodes.len() {
            for &input in &inputs[node] {
                depths[node] = depths[node].max(depths[input] + 1);
            }
        }
        depths
    }

    /// Per node its colour; and what the colours mean.
    fn colors(&self) -> (Vec<String>, Vec<(String, String)>) {
        match &self.color_by {
            ColorBy::Op => {
                let mut numbers: HashMap<&str, usize> = HashMap::new();
                let mut keys = Vec::new();
                let colors = self.nodes.iter().map(|node| {
                    let next = numbers.len();
                    let number = *numbers.entry(&node.op).or_insert(next);
                    if number == next && next < MOST_KEYS {
                        keys.push((tint(number).to_owned(), node.op.clone()));
                    }
                    tint(number).to_owned()
                });
                (colors.collect(), keys)
            }
            ColorBy::Order => {
                let colors = self.nodes.iter().map(|node| gradient(node.order));
                let keys = vec![
                    (gradient(0.0), "first".to_owned()),
                    (gradient(1.0), "last".to_owned()),
                ];
                (colors.collect(), keys)
            }
            ColorBy::Worker(profile) => {
                let workers = self.workers(profile);
                let colors = workers.iter().map(|worker| match worker {
                    Some(worker) => tint(*worker).to_owned(),
                    None => "#ffffff".to_owned(),
                });
                let seen: BTreeSet<usize> = workers.iter().flatten().copied().collect();
                let keys = seen.into_iter().take(MOST_KEYS).map(|worker| {
                    let known = profile.workers().get(worker);
                    let name = known.map_or_else(|| worker.to_string(), |known| known.name.clone());
                    (tint(worker).to_owned(), name)
                });
                (colors.collect(), keys.collect())
            }
        }
    }

    /// Per node the thread that ran most of its tasks.
    fn workers(&self, profile: &Profile) -> Vec<Option<usize>> {
        let Some(run) = profile.runs().first() else {
            return vec![None; self.nodes.len()];
        };
        let by_task = profile.workers_of(run.run);
        let most = |node: &PictureNode| {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            for task in node.first_task..node.first_task + node.tasks {
                if let Some(worker) = by_task.get(&task) {
                    *counts.entry(*worker).or_default() += 1;
                }
            }
            let most = counts.into_iter().max_by_key(|&(_, count)| count);
            most.map(|(worker, _)| worker)
        };
        self.nodes.iter().map(most).collect()
    }

    /// A drawing as SVG: one element, with a title and a description, to be written to a file or put into a page.
    pub fn to_svg(&self) -> String {
        let texts: Vec<Vec<String>> = self
            .nodes
            .iter()
            .map(|node| {
                let lines = node.lines.iter();
                lines.map(|line| shorten(line, MOST_CHARACTERS)).collect()
            })
            .collect();
        let sizes: Vec<Size> = texts
            .iter()
            .map(|lines| {
                let longest = lines.iter().map(|line| line.chars().count()).max();
                Size {
                    width: longest.unwrap_or(0) as f64 * CHARACTER + 20.0,
                    height: lines.len() as f64 * LINE + 10.0,
                }
            })
            .collect();
        let layout = layout(&sizes, &self.edges);
        let (colors, keys) = self.colors();
        let key_height = if keys.is_empty() { 0.0 } else { 30.0 };
        let key_widths: f64 = keys.iter().map(|(_, name)| key_width(name)).sum();
        let width = layout.width.max(key_widths) + 2.0 * MARGIN;
        let height = layout.height + key_height + 2.0 * MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" role=\"img\" color=\"{INK}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"system-ui, 'Segoe UI', sans-serif\" font-size=\"12\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            escape(&self.title),
            escape(&self.description()),
        );
        svg.push_str("<g fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.55\">\n");
        for points in &layout.edges {
            let _ = writeln!(svg, "<path d=\"{}\"/>", curve(points));
        }
        svg.push_str("</g>\n<g text-anchor=\"middle\">\n");
        for (number, node) in self.nodes.iter().enumerate() {
            let (x, y) = layout.centers[number];
            let size = sizes[number];
            let (left, top) = (
                x - size.width / 2.0 + MARGIN,
                y - size.height / 2.0 + MARGIN,
            );
            let _ = write!(
                svg,
                "<g><title>{}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"5\" \
                 fill=\"{}\" stroke=\"#57606a\"/>",
                escape(&node.detail),
                size.width,
                size.height,
                colors[number]
            );
            for (row, line) in texts[number].iter().enumerate() {
                let _ = write!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{INK}\">{}</text>",
                    x + MARGIN,
                    top + 5.0 + (row as f64 + 0.76) * LINE,
                    escape(line)
                );
            }
            svg.push_str("</g>\n");
        }
        svg.push_str("</g>\n");
        let mut x = MARGIN;
        let y = layout.height + 2.0 * MARGIN + 4.0;
        for (color, name) in keys {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{color}\" \
                 stroke=\"#57606a\"/><text x=\"{:.1}\" y=\"{:.1}\" fill=\"currentColor\">{}</text>",
                x + 18.0,
                y + 10.5,
                escape(&shorten(&name, MOST_CHARACTERS))
            );
            x += key_width(&name);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The picture in words, for those who do not see it.
    fn description(&self) -> String {
        let names: Vec<&str> = self
            .nodes
            .iter()
            .map(|node| node.lines[0].as_str())
            .collect();
        let list = match names.len() {
            0..=20 => names.join(", "),
            n => format!("{}, … {} more", names[..20].join(", "), n - 20),
        };
        format!(
            "A graph of {} nodes and {} edges, from left to right: {list}",
            self.nodes.len(),
            self.edges.len()
        )
    }

    /// The graph in Graphviz' DOT language, coloured alike.
    pub fn to_dot(&self) -> String {
        let (colors, _) = self.colors();
        let mut dot = String::from(
            "digraph flagstone {\n  rankdir=LR\n  node [shape=box style=\"filled,rounded\" fontname=\"sans-serif\"]\n",
        );
        for (number, node) in self.nodes.iter().enumerate() {
            let lines: Vec<String> = node.lines.iter().map(|line| quoted(line)).collect();
            let _ = writeln!(
                dot,
                "  n{number} [label=\"{}\" tooltip=\"{}\" fillcolor=\"{}\"]",
                lines.join("\\n"),
                quoted(&node.detail),
                colors[number]
            );
        }
        for (from, to) in &self.edges {
            let _ = writeln!(dot, "  n{from} -> n{to}");
        }
        dot.push_str("}\n");
        dot
    }
}

/// Text as it may stand in DOT's quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(['\n', '\r'], " ")
}

fn key_width(name: &str) -> f64 {
    name.chars().count().min(MOST_CHARACTERS) as f64 * CHARACTER + 36.0
}

/// A line through the points that leaves and meets them level.
fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (number, pair) in points.windows(2).enumerate() {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let (x0, y0, x1, y1) = (x0 + MARGIN, y0 + MARGIN, x1 + MARGIN, y1 + MARGIN);
        if number == 0 {
            let _ = write!(path, "M{x0:.1} {y0:.1}");
        }
        let middle = f64::midpoint(x0, x1);
        let _ = write!(
            path,
            "C{middle:.1} {y0:.1} {middle:.1} {y1:.1} {x1:.1} {y1:.1}"
        );
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str) -> PictureNode {
        PictureNode {
            op: op.to_owned(),
            lines: vec![op.to_owned()],
            detail: format!("all of {op}"),
            ..PictureNode::default()
        }
    }

    #[test]
    fn hostile_names() {
        let name = "a<b>&\"c\"\\'\n\u{1b}]]>";
        let picture = Picture::new(
            name,
            vec![node(name), node("x")],
            vec![(0, 1), (0, 1), (1, 1)],
        );
        assert_eq!(picture.edges(), 1);
        let svg = picture.to_svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let texts = document
            .descendants()
            .filter(|node| node.tag_name().name() == "text");
        let escaped = name.replace('\u{1b}', "\u{fffd}");
        assert!(
            texts.into_iter().any(|node| node.text() == Some(&escaped)),
            "{svg}"
        );
        let dot = picture.to_dot();
        assert!(dot.contains("label=\"a<b>&\\\"c\\\"\\\\' "), "{dot}");
    }

    #[test]
    fn more_edges_than_can_be_told_apart() {
        let nodes = (0..200).map(|i| node(if i < 100 { "left" } else { "right" }));
        let edges = (0..10_000).map(|i| (i / 100, 100 + i % 100));
        let picture = Picture::new("dense", nodes.collect(), edges.collect());
        assert!(picture.is_summarized());
        assert_eq!((picture.nodes(), picture.edges()), (2, 1));
    }

    #[test]
    fn more_kinds_than_may_be_drawn() {
        let nodes: Vec<PictureNode> = (0..2_000).map(|i| node(&format!("op {i}"))).collect();
        let edges = (1..2_000).map(|i| (i - 1, i)).collect();
        let picture = Picture::new("many", nodes, edges);
        assert!(picture.is_summarized());
        assert_eq!(picture.nodes(), Picture::MOST_NODES);
        assert!(picture.to_svg().contains("others"));
    }
}
