//! What a plan computes, as a number that is the same in other processes.

use std::hash::{Hash, Hasher};

use foldhash::{HashMap, HashMapExt};

use super::node::{ElementFunc, NodeKind, Reduction, Value};
use super::walk::inputs_first;
use crate::op::generate::Generate;

/// FNV-1a over 128 bits: unlike the standard hasher's, its values are fixed.
#[derive(Clone)]
pub struct Fnv(u128);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 ^= u128::from(byte);
            self.0 = self
                .0
                .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn finish(&self) -> u64 {
        self.0 as u64
    }
}

impl Fnv {
    /// All the bits.
    pub fn value(&self) -> u128 {
        self.0
    }
}

/// What is known of a plan across processes.
pub struct Identity {
    /// Of everything that can be told.
    pub fingerprint: u128,
    /// What cannot: values in memory, users' functions, sources that do not say.
    pub unknown: Vec<String>,
}

/// The identity of a value: equal plans, made by the same version of the library, have equal ones.
pub fn identity(value: &Value) -> Identity {
    let mut unknown = Vec::new();
    let mut known: HashMap<u64, u128> = HashMap::new();
    for node in inputs_first(std::slice::from_ref(value)) {
        let mut hasher = Fnv::default();
        node.name().hash(&mut hasher);
        for input in &node.inputs {
            (known[&input.node.id], input.output).hash(&mut hasher);
        }
        for spec in node.outputs.iter() {
            (spec.dtype, &spec.shape).hash(&mut hasher);
            // Reductions add up in an order that depends on the chunks.
            spec.chunks.hash(&mut hasher);
        }
        let mut doubt = |what: String| unknown.push(what);
        match &node.kind {
            NodeKind::Memory(memory) => doubt(format!("{memory:?}")),
            NodeKind::Source(source) => match source.fingerprint() {
                Some(fingerprint) => fingerprint.hash(&mut hasher),
                None => doubt(source.describe()),
            },
            NodeKind::Generate(generate) => generated(generate, &mut hasher, &mut doubt),
            NodeKind::Elementwise(elementwise) => {
                elementwise.args.hash(&mut hasher);
                match &elementwise.func {
                    ElementFunc::Op(op) => op.name().hash(&mut hasher),
                    ElementFunc::Cast => {}
                    ElementFunc::Map(_) => doubt("a function given to map".to_owned()),
                }
            }
            NodeKind::Index(map) => map.hash(&mut hasher),
            NodeKind::Reshape | NodeKind::Rechunk => {}
            NodeKind::Pieces(pieces) => {
                pieces.fill.hash(&mut hasher);
                for piece in &pieces.pieces {
                    (&piece.region, piece.input, &piece.map).hash(&mut hasher);
                }
            }
            NodeKind::Reduce(reduce) => {
                (&*reduce.tree, reduce.keep, reduce.masked).hash(&mut hasher);
                match &reduce.reducer {
                    Reduction::Op(op) => op.hash(&mut hasher),
                    Reduction::Custom(_) => doubt("a reducer".to_owned()),
                }
            }
            NodeKind::Contract(contract) => contract.contraction.hash(&mut hasher),
            NodeKind::BlockFn(function) => doubt(format!("a function given to {}", function.name)),
        }
        known.insert(node.id, hasher.value());
    }
    Identity {
        fingerprint: known[&value.node.id].wrapping_add(value.output as u128),
        unknown,
    }
}

fn generated(generate: &Generate, hasher: &mut Fnv, doubt: &mut impl FnMut(String)) {
    match generate {
        Generate::Fill(value) => value.hash(hasher),
        Generate::Arange { start, step } => (start, step).hash(hasher),
        Generate::Linspace {
            start,
            stop,
            divisions,
        } => (start.to_bits(), stop.to_bits(), divisions).hash(hasher),
        Generate::Eye { columns, offset } => (columns, offset).hash(hasher),
        Generate::Random { distribution, key } => {
            // The shortest digits that give a number back are different for different numbers.
            (format!("{distribution:?}"), key).hash(hasher);
        }
        Generate::Closure { name, .. } => doubt(format!("a function given to {name}")),
    }
}
