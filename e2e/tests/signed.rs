//! Charts that must be signed (`spec.chart.spec.verify`): by keys in a Secret, in the forms that cosign leaves in a registry.
//! The registry is played by the tests, which also sign.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use pintle_e2e::{ChartRepository, Fault, HELMRELEASE, Namespace, Scene, condition, package, root};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> String {
    BASE64_STANDARD.encode(pair.sign(&SystemRandom::new(), message).unwrap())
}

fn put_keys(at: &Namespace, name: &str, pairs: &[&EcdsaKeyPair]) {
    let pem = |pair: &&EcdsaKeyPair| {
        let key: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(key.as_ref()))
    };
    let keys: serde_json::Map<String, Value> =
        pairs.iter().enumerate().map(|(at, pair)| (format!("key{at}.pub"), pem(pair).into())).collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": at.name()},
        "stringData": keys});
    // A replacement, so that no other key stays.
    let verb = if at.find("secret", name).unwrap().is_some() { "replace" } else { "create" };
    at.kubectl().run_with(&[verb, "-f", "-"], &secret.to_string()).unwrap();
}

/// One name in a registry.
struct Shelf<'a>(&'a ChartRepository);

impl Shelf<'_> {
    fn put(&self, path: &str, bytes: &[u8]) {
        self.0.fault(&format!("/v2/charts/hello/{path}"), Fault::Body(bytes.to_vec()));
    }

    fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = format!("sha256:{}", sha256(bytes));
        self.put(&format!("blobs/{digest}"), bytes);
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// A chart under its version; answers the digest of its manifest.
    fn chart(&self, version: &str) -> String {
        let chart = package(&root().join(format!("e2e/charts/hello-{version}"))).unwrap();
        let layer = self.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", &chart.bytes);
        let config = json!({"mediaType": "application/vnd.cncf.helm.config.v1+json"});
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string();
        self.put(&format!("manifests/{version}"), manifest.as_bytes());
        sha256(manifest.as_bytes())
    }

    /// A signature for `about` beside the chart of `manifest`, as cosign 2 leaves it.
    fn tagged(&self, manifest: &str, about: &str, pair: &EcdsaKeyPair) {
        let payload = json!({"critical": {"identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": format!("sha256:{about}")},
            "type": "cosign container image signature"}, "optional": null})
        .to_string();
        let mut layer = self.blob("application/vnd.dev.cosign.simplesigning.v1+json", payload.as_bytes());
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": sign(pair, payload.as_bytes())});
        let signatures = json!({"schemaVersion": 2, "layers": [layer]}).to_string();
        self.put(&format!("manifests/sha256-{manifest}.sig"), signatures.as_bytes());
    }

    /// The same as cosign 3 leaves it.
    fn bundled(&self, manifest: &str, pair: &EcdsaKeyPair) {
        let statement =
            json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": manifest}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {}})
            .to_string();
        let message = format!("DSSEv1 28 application/vnd.in-toto+json {} {statement}", statement.len());
        let bundle = json!({"mediaType": BUNDLE, "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(&statement), "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": sign(pair, message.as_bytes())}]}})
        .to_string();
        let layer = self.blob(BUNDLE, bundle.as_bytes());
        let one = json!({"schemaVersion": 2, "artifactType": BUNDLE, "layers": [layer]}).to_string();
        let digest = format!("sha256:{}", sha256(one.as_bytes()));
        self.put(&format!("manifests/{digest}"), one.as_bytes());
        let index = json!({"manifests": [{"artifactType": BUNDLE, "digest": digest, "size": one.len()}]});
        self.put(&format!("manifests/sha256-{manifest}"), index.to_string().as_bytes());
    }
}

fn want(at: &Namespace, name: &str, version: &str, repository: &str, verify: &Value) {
    let source = json!({"kind": "HelmRepository", "name": repository});
    let chart = json!({"chart": "hello", "version": version, "sourceRef": source, "verify": verify});
    let values = json!({"hooks": {"enabled": false}, "replicas": 0});
    at.put_release(name, "hello", version, &json!({"chart": {"spec": chart}, "values": values})).unwrap();
}

fn until(at: &Namespace, part: &str) {
    // It may be signed at any time and nobody tells; a request has it looked at.
    at.request(HELMRELEASE, "hello").unwrap();
    at.until("hello", |release| {
        let ready = condition(release, "Ready")?;
        let says = ready["message"].as_str().is_some_and(|message| message.contains(part));
        (ready["status"] == "False" && ready["reason"] == "ChartVerificationError" && says).then_some(())
    })
    .unwrap();
}

#[test]
fn only_signed_charts_are_installed() {
    let scene = Scene::set("signed", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let shelf = Shelf(&scene.repository);
    let url = format!("{}/charts", scene.repository.url().replace("http://", "oci://"));
    at.put_repository("registry", &json!({"type": "oci", "url": url, "insecure": true})).unwrap();
    let (ours, theirs) = (pair(), pair());
    let verify = json!({"provider": "cosign", "secretRef": {"name": "keys"}});
    let first = shelf.chart("1.0.0");

    want(at, "hello", "1.0.0", "registry", &verify);
    until(at, "Secret signed/keys does not exist");
    put_keys(at, "keys", &[&pair(), &ours]);
    until(at, "it is not signed");
    shelf.tagged(&first, &first, &theirs);
    until(at, "its signature is by none of the keys, or not for this chart");
    let second = shelf.chart("1.1.0");
    shelf.tagged(&first, &second, &ours);
    until(at, "its signature is by none of the keys, or not for this chart");
    assert!(at.find("configmap", "hello").unwrap().is_none());
    shelf.tagged(&first, &first, &ours);
    at.request(HELMRELEASE, "hello").unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();

    // The next version is signed in the other form; until then the first one runs on.
    want(at, "hello", "1.1.0", "registry", &verify);
    until(at, "it is not signed");
    at.helm_says("hello", 1, "deployed", "hello-1.0.0").unwrap();
    shelf.bundled(&second, &theirs);
    until(at, "by none of the keys");
    shelf.bundled(&second, &ours);
    at.request(HELMRELEASE, "hello").unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();

    // Keys that are no longer trusted are noticed.
    put_keys(at, "keys", &[&theirs]);
    at.until("hello", |release| {
        let ready = condition(release, "Ready")?;
        let says = ready["message"].as_str().is_some_and(|message| message.contains("by none of the keys"));
        (ready["reason"] == "ChartVerificationError" && says).then_some(())
    })
    .unwrap();
    at.helm_says("hello", 2, "deployed", "hello-1.1.0").unwrap();
    put_keys(at, "keys", &[&ours]);
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();

    // What cannot be verified is refused and not passed over.
    for (name, repository, verify, says) in [
        ("keyless", "registry", json!({"provider": "cosign"}), "keyless"),
        ("notation", "registry", json!({"provider": "notation", "secretRef": {"name": "keys"}}), "notation"),
        ("indexed", "charts", verify, "only charts of registries are signed"),
    ] {
        want(at, name, "1.0.0", repository, &verify);
        let message = at.until_not_ready(name, &["UnsupportedField"]).unwrap();
        assert!(message.contains(says), "{name}: {message}");
    }
}
