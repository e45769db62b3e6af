//! The layers of the library: a folder of `src` imports only what stands below it. The order is the one of
//! `docs/architecture.md`; this test is what keeps it true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer and what it may import, besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("base", &["error"]),
    ("op", &["error", "base"]),
    ("plan", &["error", "base", "op"]),
    ("optimize", &["error", "base", "op", "plan"]),
    ("graph", &["error", "base", "op"]),
    ("lower", &["error", "base", "op", "plan", "graph"]),
    ("kernel", &["error", "base", "op"]),
    ("work", &["error", "base", "op", "graph", "kernel"]),
    ("exec", &["error", "base", "graph"]),
    ("io", &["error", "base"]),
    ("observe", &["error", "base", "graph", "exec"]),
    ("task", &["error", "base", "graph", "exec"]),
    (
        "array",
        &[
            "error", "base", "op", "plan", "optimize", "graph", "lower", "kernel", "work", "exec",
            "io", "observe", "task",
        ],
    ),
];

/// The crate's root: it declares the layers and says what is public.
const ROOT: &str = "lib";

/// No file is longer.
const MOST_LINES: usize = 800;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    found.sort();
    assert!(found.len() > 50, "the sources were found");
    found
}

/// A file without its comments, strings and characters, in which names might only be mentioned.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if let Some(inside) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = inside.find(|c| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            let next = rest.chars().next().unwrap();
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skip..];
    }
    code
}

/// The first names of all paths that begin with `crate::`, in groups too: `crate::{base, op::table}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = code[at + start.len()..].trim_start();
        match rest.strip_prefix('{') {
            None => names.extend(first_name(rest)),
            Some(group) => {
                // The members on the outermost level of the group.
                let mut depth = 0;
                let mut member = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            names.extend(first_name(std::mem::take(&mut member).trim()))
                        }
                        _ if depth == 0 => member.push(c),
                        _ => {}
                    }
                }
                names.extend(first_name(member.trim()));
            }
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// The layer of a file: its first folder, or its own name.
fn layer_of(path: &Path) -> String {
    let relative = path.strip_prefix(source()).unwrap();
    let first = relative
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Paths with `super` that leave the layer: as many steps up as the file is deep.
fn climbs_out(path: &Path, code: &str) -> bool {
    let relative = path.strip_prefix(source()).unwrap();
    let name = relative.file_stem().unwrap().to_string_lossy();
    let depth = relative.components().count() - usize::from(name == "mod");
    // Modules inside of the file are one deeper: only what leaves the layer even from there counts.
    let inner = usize::from(code.contains("mod tests {"));
    code.contains(&"super::".repeat(depth + inner))
}

/// What a macro writes is the layer of whoever calls it: macros name paths with `$crate`.
#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for path in all_files() {
        let layer = layer_of(&path);
        if layer == ROOT {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = code(&text);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            wrong.push(format!(
                "{}: no layer has the name {layer:?}",
                path.display()
            ));
            continue;
        };
        for import in imports(&code) {
            let known = LAYERS.iter().any(|(name, _)| *name == import);
            if import != layer && (!known || !allowed.contains(&import.as_str())) {
                wrong.push(format!("{}: {layer} imports {import}", path.display()));
            }
        }
        if climbs_out(&path, &code) {
            wrong.push(format!(
                "{}: a path of `super` leaves its layer",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_stand_in_an_order() {
    // What is allowed stands before: the table itself has no cycles.
    for (at, (name, allowed)) in LAYERS.iter().enumerate() {
        for below in *allowed {
            let place = LAYERS.iter().position(|(other, _)| other == below);
            assert!(
                place.is_some_and(|place| place < at),
                "{name} may import {below}, which does not stand before it"
            );
        }
        let folder = source().join(name);
        assert!(
            folder.is_dir() || source().join(format!("{name}.rs")).is_file(),
            "there is no layer {name}"
        );
    }
}

/// Only the executor and what users write knows of threads; the plan never does.
#[test]
fn threads_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for path in all_files() {
        let layer = layer_of(&path);
        if matches!(layer.as_str(), "exec" | "array" | "io" | "observe" | "task") {
            continue;
        }
        let code = code(&fs::read_to_string(&path).unwrap());
        for name in [
            "rayon::",
            "std::thread::spawn",
            "std::fs::",
            "std::time::Instant",
        ] {
            if code.contains(name) {
                wrong.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    let mut lengths = Vec::new();
    let mut wrong = Vec::new();
    for path in all_files() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        lengths.push(lines);
        if lines > MOST_LINES {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        median < 200,
        "half of the files have more than {median} lines"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// No wildcard imports of the library's own names: where a name comes from can be seen.
#[test]
fn no_glob_imports() {
    let mut wrong = Vec::new();
    for path in all_files() {
        let code = code(&fs::read_to_string(&path).unwrap());
        for line in code.lines().map(str::trim) {
            // A test module may take what stands around it; instructions and others' preludes are theirs.
            let own =
                line.contains("crate::") || line.contains("super::") || line.contains("self::");
            if line.starts_with("use ") && own && line.contains("::*") && line != "use super::*;" {
                wrong.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_reads_all_forms() {
    let found = imports(&code(
        "use crate::base::axis::{Axes, keep};\n// use crate::array;\nuse crate::{op::table::{Op, Tree}, plan};\n\
         let text = \"crate::exec\"; crate::lower::lower(); $crate::error::Error",
    ));
    let expected: BTreeSet<String> = ["base", "op", "plan", "lower", "error"]
        .map(String::from)
        .into();
    assert_eq!(found, expected);
}
