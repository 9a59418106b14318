//! Rendered files as manifests: documents, separators, kinds, hooks.

use super::texts;
use crate::{case::Case, rng::Rng};

/// One or two files of documents.
pub fn case(rng: &mut Rng) -> Case {
    let mut case = Case { manifest: true, template: file(rng), ..Case::default() };
    if rng.chance(30) {
        case.partials.insert((rng.pick(&["a.yaml", "z.txt", "d/x.yaml", "_no.yaml"])).to_owned(), file(rng));
    }
    case
}

fn file(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.below(5) {
        text += rng.pick(&[
            "---\n", "---\n", "\n---\n", "--- \n", "---\t\n\n", " ---\n", "----\n", "---", "\n", "--- # comment\n",
            "...\n", "---\r\n", "", "\n\n---\n\n---\n",
        ]);
        text += &document(rng);
    }
    // What looks like an action is none here.
    text.replace("{{", "{ {")
}

fn document(rng: &mut Rng) -> String {
    match rng.below(14) {
        0 => {
            return (rng.pick(&[
                "# only a comment\n", "   \n", "\t\n", "null\n", "[]\n", "- a\n", "x\n", "a: [\n", "{}\n",
                "kind: 1\n", "kind: List\nitems: []\n", "a: b: c\n", "metadata: x\n",
                "metadata:\n  annotations: 1\n", "kind: ~\n",
            ]))
            .to_owned();
        }
        1 => return texts::text(rng).replace("{{", ""),
        2 => return super::documents::yaml(rng).replace("{{", ""),
        _ => {}
    }
    let kind = rng.pick(&[
        "ConfigMap", "Secret", "Namespace", "Deployment", "Service", "Foo", "foo", "Bar", "CustomResourceDefinition",
        "Job", "Pod", "", "NetworkPolicy", "PriorityClass", "IngressClass", "RoleList", "ReplicaSet", "\"Pod\"",
        "Pod # c",
    ]);
    let mut text = format!(
        "apiVersion: {}\nkind: {kind}\nmetadata:\n  name: {}\n",
        rng.pick(&["v1", "apps/v1", "\"v1\"", "1", "~"]),
        rng.pick(&["a", "b", "\"c\"", "1", "true", "~", "a.b", "null", "1.0", "0x1", "''"])
    );
    if rng.chance(45) {
        text += "  annotations:\n";
        for _ in 0..=rng.below(3) {
            text += &match rng.below(6) {
                0..3 => format!(
                    "    helm.sh/hook: {}\n",
                    rng.pick(&[
                        "pre-install", "post-install,post-upgrade", "\"pre-install, PRE-UPGRADE\"", "test",
                        "test-success", "crd-install", "nope", "pre-install,nope", "''", "~", "pre-delete",
                        "test-failure", ",",
                        "pre-rollback"
                    ])
                ),
                3 => format!(
                    "    helm.sh/hook-weight: {}\n",
                    rng.pick(&[
                        "\"1\"", "\"-5\"", "5", "x", "\"+3\"", "\"1.5\"", "\" 2\"", "''", "\"99999999999999999999\"",
                        "\"0x10\"", "\"1_0\"",
                        "\"010\""
                    ])
                ),
                4 => format!(
                    "    helm.sh/hook-delete-policy: {}\n",
                    rng.pick(&[
                        "hook-succeeded", "\"before-hook-creation, hook-failed\"", "HOOK-FAILED", "nope", "''", ",",
                        "~"
                    ])
                ),
                _ => format!(
                    "    {}: {}\n",
                    rng.pick(&["a", "b", "1", "true"]),
                    rng.pick(&["x", "1", "true", "~", "[a]", "{}", "1.5", "|\n      block\n      ---\n      y"])
                ),
            };
        }
    }
    if rng.chance(30) {
        text += rng.pick(&[
            "data:\n  a: |\n    x\n    ---\n    y\n", "data: {}\n\n\n", "spec: 1 # c\n", "data:\n  k: v\n...\n",
            "  \n", "stringData:\n  k: \"---\"\n", "extra: &a x\nmore: *a\n", "kind: Twice\n", "a: 1\na: 2\n",
        ]);
    }
    if rng.chance(10) {
        text = text.trim_end().to_owned();
    }
    text
}
