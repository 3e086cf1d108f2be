//! Runs the bodies of the fuzz targets on arbitrary bytes, and on valid bytes with a few changes.

use proptest::{prelude::*, sample::Index};

#[allow(unreachable_pub, reason = "it is a library of its own for the fuzzers")]
#[path = "../fuzz/src/lib.rs"]
mod bodies;
#[path = "../fuzz/src/mutation.rs"]
mod mutation;

/// A change to a valid encoding.
#[derive(Debug, Clone)]
enum Edit {
    Put(Index, u8),
    Insert(Index, u8),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    // Half of the inserted bytes have a meaning in some encoding.
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(b"\0\x01\xff\n.-019az{}[]\",:".to_vec())];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        any::<(Index, Index)>().prop_map(|(from, to)| Edit::Remove(from, to)),
        any::<(Index, Index)>().prop_map(|(from, to)| Edit::Repeat(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    let size = bytes.len() + 1;
    let range = |from: &Index, to: &Index| {
        let (from, to) = (from.index(size), to.index(size));
        from.min(to)..from.max(to)
    };
    match edit {
        Edit::Put(at, byte) => {
            let at = at.index(size);
            bytes.get_mut(at).into_iter().for_each(|it| *it = *byte);
        }
        Edit::Insert(at, byte) => bytes.insert(at.index(size), *byte),
        Edit::Remove(from, to) => drop(bytes.drain(range(from, to))),
        Edit::Repeat(from, to) => bytes.extend_from_within(range(from, to)),
    }
}

#[test]
fn every_target_takes_its_seeds() {
    for (target, body) in bodies::TARGETS {
        let seeds: Vec<_> = bodies::seeds().into_iter().filter(|(name, _)| *name == target).collect();
        assert!(!seeds.is_empty(), "{target}");
        seeds.iter().for_each(|(_, seed)| body(seed));
    }
}

/// Runs each target on mutations of its seeds, for `FUZZ_SECONDS` if that is set.
#[test]
fn every_target_takes_mutations() {
    for (target, body) in bodies::TARGETS {
        let of_target = bodies::seeds().into_iter().filter(|(name, _)| *name == target);
        let seeds: Vec<_> = of_target.map(|(_, seed)| seed).collect();
        mutation::run(target, &seeds, body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_target_takes_anything(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::TARGETS.iter().for_each(|(_, body)| body(&bytes));
    }

    #[test]
    fn every_target_takes_damaged_encodings(
        (target, mut bytes) in prop::sample::select(bodies::seeds()),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        edits.iter().for_each(|edit| apply(&mut bytes, edit));
        bodies::TARGETS.iter().filter(|(name, _)| *name == target).for_each(|(_, body)| body(&bytes));
    }
}
