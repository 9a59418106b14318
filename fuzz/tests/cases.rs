//! What random cases once showed to differ, with Helm's answers: they stay answered, without Go.

#![allow(clippy::unwrap_used)]

use pintle_fuzz::{case::with_stack, differ};
use std::path::Path;

#[test]
fn cases_that_once_differed_are_answered_as_helm_answers_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/differences.jsonl");
    let cases = differ::read(&path).unwrap();
    assert!(cases.len() > 20, "only {} cases", cases.len());
    let wrong = with_stack(move || {
        let differ = cases.into_iter().filter(|known| known.case.answer() != known.answer());
        differ
            .map(|known| format!("{}\n  ours {:?}", serde_json::to_string(&known).unwrap(), known.case.answer()))
            .collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
