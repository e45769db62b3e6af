//! Pictures are well-formed, complete, and legible however large the plan.

use flagstone::observe::{ColorBy, Picture, View, grid_svg};
use flagstone::{Array, Chunks, Engine};
use roxmltree::{Document, Node};

/// Parses what is to be well-formed; all of it lies inside of its own box.
fn check(svg: &str) -> Document<'_> {
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error} in\n{svg}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "svg");
    let number =
        |node: Node<'_, '_>, name: &str| -> f64 { node.attribute(name).unwrap().parse().unwrap() };
    let (width, height) = (number(root, "width"), number(root, "height"));
    assert!(width > 0.0 && height > 0.0);
    for name in ["title", "desc"] {
        let found = root
            .children()
            .find(|node| node.has_tag_name((root.tag_name().namespace().unwrap(), name)));
        assert!(
            found.is_some_and(|node| !node.text().unwrap_or("").is_empty()),
            "{name}"
        );
    }
    for text in root
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
    {
        assert!(!text.text().unwrap_or("").is_empty());
        let (x, y) = (number(text, "x"), number(text, "y"));
        assert!(
            (0.0..=width).contains(&x) && (0.0..=height).contains(&y),
            "{x} {y} of {width} {height}"
        );
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    document
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts = document
        .descendants()
        .filter(|node| node.tag_name().name() == "text");
    texts
        .map(|node| node.text().unwrap_or("").to_owned())
        .collect()
}

fn job() -> Array<f64> {
    let x = Array::<f64>::ones([400, 300], 100).map_blocks(|block| &block * 2.0);
    (&x - &x.mean(0)).square().sum(1)
}

#[test]
fn a_plan_its_stages_and_its_tasks() {
    let engine = Engine::builder().threads(2).build().unwrap();
    let plan = engine.visualize(&job(), View::Plan).unwrap();
    let svg = plan.to_svg();
    let found = texts(&check(&svg));
    for name in [
        "map_blocks",
        "mean(axes 0)",
        "subtract",
        "square",
        "sum(axes 1)",
        "[400, 300] float64",
    ] {
        assert!(found.iter().any(|text| text == name), "{name} in {found:?}");
    }
    let stages = engine.visualize(&job(), View::Stages).unwrap();
    let found_stages = texts(&check(&stages.to_svg()));
    assert!(
        found_stages.iter().any(|text| text == "1. map_blocks"),
        "{found_stages:?}"
    );

    let explain = engine.explain(&job()).unwrap();
    let graph = engine.task_graph(&job()).unwrap();
    let tasks = engine.visualize(&job(), View::Tasks).unwrap();
    assert!(!tasks.is_summarized());
    assert_eq!(tasks.nodes() as u64, explain.tasks());
    assert_eq!(tasks.edges(), graph.graph().edge_count());
    let svg = tasks.to_svg();
    let document = check(&svg);
    let paths = document
        .descendants()
        .filter(|node| node.tag_name().name() == "path");
    assert_eq!(paths.count(), tasks.edges());

    let (_, profile) = engine.profile(&job()).unwrap();
    for color in [
        ColorBy::Op,
        ColorBy::Order,
        ColorBy::Worker(Box::new(profile)),
    ] {
        let picture = tasks.clone().color_by(color.clone());
        check(&picture.to_svg());
        let dot = picture.to_dot();
        assert_eq!(dot.matches(" -> ").count(), tasks.edges());
        assert_eq!(dot.matches("fillcolor=").count(), tasks.nodes());
        check(&stages.clone().color_by(color).to_svg());
    }
}

#[test]
fn the_threads_of_a_profile_are_colours() {
    let engine = Engine::builder().threads(1).build().unwrap();
    let y = job();
    let (_, profile) = engine.profile(&y).unwrap();
    let picture = engine.visualize(&y, View::Tasks).unwrap();
    let svg = picture
        .color_by(ColorBy::Worker(Box::new(profile)))
        .to_svg();
    let document = check(&svg);
    let keys: Vec<String> = texts(&document);
    assert!(
        keys.iter()
            .any(|key| key == "thread 0" || key == "calling threads"),
        "{keys:?}"
    );
}

#[test]
fn large_graphs_are_summarized() {
    let engine = Engine::builder().threads(2).build().unwrap();
    // Blocks so large that each is a task.
    let many =
        Array::<f64>::zeros([2_000, 200_000], [1, 200_000]).map_blocks(|block| block.to_owned());
    let picture = engine.visualize(&many.sum(..), View::Tasks).unwrap();
    assert!(picture.is_summarized());
    assert!(picture.nodes() <= 4);
    check(&picture.to_svg());

    // A deep plan: of ten thousand operations, of two kinds.
    let mut deep = Array::<f64>::ones(10, ..);
    for _ in 0..5_000 {
        deep = deep.map(|v| v + 1.0).sqrt();
    }
    let picture = engine.visualize(&deep, View::Plan).unwrap();
    assert!(picture.is_summarized());
    assert!(picture.nodes() <= Picture::MOST_NODES);
    let svg = picture.to_svg();
    let document = check(&svg);
    let found = texts(&document);
    assert!(found.iter().any(|text| text == "× 5000"), "{found:?}");

    // A wide one.
    let parts: Vec<Array<f64>> = (0..800)
        .map(|i| Array::full([3], f64::from(i), ..).exp().map(|v| v))
        .collect();
    let wide = flagstone::concatenate(&parts, 0);
    for view in [View::Plan, View::Stages, View::Tasks] {
        let picture = engine.visualize(&wide, view).unwrap();
        assert!(
            picture.nodes() <= Picture::MOST_NODES,
            "{view:?}: {}",
            picture.nodes()
        );
        check(&picture.to_svg());
    }
}

#[test]
fn an_array_that_carries_an_error_has_no_picture() {
    let bad = Array::<f64>::ones([2, 3], ..) + Array::<f64>::ones([4, 5], ..);
    assert!(bad.visualize(View::Plan).is_err());
    assert!(bad.grid_svg().is_err());
    assert!(bad.profile().is_err());
}

#[test]
fn chunk_grids() {
    let cases: [(&[usize], &[usize]); 10] = [
        (&[], &[]),
        (&[1], &[1]),
        (&[0], &[1]),
        (&[10_000], &[1_000]),
        (&[1_200, 800], &[300, 200]),
        (&[1, 1_000_000], &[1, 10]),
        (&[365, 180, 360], &[73, 90, 90]),
        (&[0, 5, 7], &[1, 2, 3]),
        (&[4, 12, 365, 180, 360], &[1, 6, 73, 90, 90]),
        (&[2, 3, 4, 5, 6, 7, 8], &[1, 2, 2, 2, 2, 2, 2]),
    ];
    for (shape, sizes) in cases {
        let chunks = Chunks::regular(shape, sizes).unwrap();
        let svg = grid_svg(&chunks);
        let document = check(&svg);
        let labels = texts(&document);
        // Every axis says its length.
        let mut lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
        let mut found = labels.clone();
        lengths.sort();
        found.sort();
        assert_eq!(found, lengths);
        assert!(svg.len() < 8_000, "{} bytes for {shape:?}", svg.len());
    }
    // 4 × 4 blocks: three lines across and three down, each once.
    let grid = grid_svg(&Chunks::regular(&[4, 4], &[1, 1]).unwrap());
    let document = check(&grid);
    let path = document
        .descendants()
        .find(|node| node.tag_name().name() == "path")
        .unwrap();
    assert_eq!(path.attribute("d").unwrap().matches('M').count(), 6);
}

#[test]
fn nodes_of_a_plan_name_the_line_that_made_them() {
    let x = Array::<f64>::from_fn([10], 5, |[i]| i as f64);
    let line = line!() - 1;
    let svg = x.visualize(View::Plan).unwrap().to_svg();
    check(&svg);
    assert!(svg.contains(&format!("pictures.rs:{line}:")), "{svg}");
}
