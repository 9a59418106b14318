//! Signatures of charts in registries, as cosign makes them with a key: found beside the chart, checked by public keys. What
//! has no key (certificates of an identity, transparency logs) is not looked at.
//!
//! Two forms are read: payloads under the tag `sha256-….sig`, and bundles among the manifests that refer to the chart's.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::super::digest::Sha256;
use super::super::error::Error;
use super::super::repository::Repository;
use super::super::{Shared, Sources, lock};
use super::manifest::{Descriptor, sha256};
use super::reference::name_of;
use super::registry::Place;

/// The form under a tag: what the payload is, and where its signature stands.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What a payload says that it is.
const CLAIM: &str = "cosign container image signature";
/// The form of bundles; a version follows.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What is in a bundle, and what that says that it is: a signature and not, say, a report about the chart.
const STATEMENT: &str = "application/vnd.in-toto+json";
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Signatures of one chart that are looked at.
const SIGNATURES: usize = 32;
/// Bytes of a payload or bundle.
const SIGNED: u64 = 1 << 20;
/// Keys of which one must fit, and bytes of each.
const KEYS: usize = 64;
const KEY: usize = 16 << 10;
/// Charts whose signatures were found good and are remembered.
const KNOWN: usize = 4096;

/// What may be checked with a key, by the kind of key.
static ALGORITHMS: [&(dyn VerificationAlgorithm + Sync); 6] = [
    &ECDSA_P256_SHA256_ASN1,
    &ECDSA_P384_SHA256_ASN1,
    &ECDSA_P384_SHA384_ASN1,
    &ECDSA_P521_SHA512_ASN1,
    &RSA_PKCS1_2048_8192_SHA256,
    &ED25519,
];

/// Public keys, one of which must have signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    keys: Arc<[Vec<u8>]>,
    identity: Sha256,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.keys.len())
    }
}

impl Keys {
    /// Reads public keys in PEM, each with a name for messages.
    ///
    /// # Errors
    /// Which of them is no key, or that there is none.
    pub fn read<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Keys, String> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for (name, text) in entries {
            let key = std::str::from_utf8(text).ok().filter(|_| text.len() <= KEY).and_then(unwrapped);
            let key =
                key.filter(|key| ALGORITHMS.iter().any(|algorithm| ParsedPublicKey::new(*algorithm, key).is_ok()));
            keys.push(key.ok_or_else(|| format!("{name} is no public key (PEM; ECDSA, RSA or Ed25519)"))?);
            if keys.len() > KEYS {
                return Err(format!("there are more than {KEYS} keys"));
            }
        }
        if keys.is_empty() {
            return Err("there is no public key".to_owned());
        }
        keys.sort();
        let parts: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let identity = Sha256::of_parts(&parts);
        Ok(Keys { keys: keys.into(), identity })
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.keys.iter().any(|key| {
            let fits = |algorithm: &&'static (dyn VerificationAlgorithm + Sync)| {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature).is_ok()
            };
            ALGORITHMS.iter().any(fits)
        })
    }
}

/// The bytes in PEM of a public key.
fn unwrapped(text: &str) -> Option<Vec<u8>> {
    let rest = text.split_once("-----BEGIN ")?.1;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    if !matches!(label, "PUBLIC KEY" | "RSA PUBLIC KEY") {
        return None;
    }
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()
}

/// Charts whose signatures were found good: by manifest and keys.
#[derive(Default)]
pub(in super::super) struct Verified {
    known: Mutex<HashSet<Sha256>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// What was found of signatures, none of them good.
#[derive(Default)]
struct Tally {
    found: usize,
}

impl Tally {
    /// One more; whether it is still to be looked at.
    fn take(&mut self) -> bool {
        self.found += 1;
        self.found <= SIGNATURES
    }
}

impl Sources {
    /// Whether one of the keys has signed what is under this digest of a manifest. What was found good once is not asked for
    /// again.
    ///
    /// # Errors
    /// If there is no such signature, or the registry cannot be asked.
    pub async fn verify(
        &self,
        repository: &Repository,
        chart: &str,
        manifest: Sha256,
        keys: &Keys,
    ) -> Result<(), Error> {
        let known = &self.shared.registries.verified.known;
        let key = Sha256::of_parts(&[manifest.as_bytes(), keys.identity.as_bytes()]);
        if lock(known).contains(&key) {
            return Ok(());
        }
        let name = name_of(repository, chart)?;
        let look = self.shared.verify(self.shared.place(repository, &name), manifest, keys);
        match tokio::time::timeout(repository.timeout, look).await {
            Ok(looked) => looked?,
            Err(_) => return Err(Error::Timeout { url: repository.address(), after: repository.timeout }),
        }
        let mut known = lock(known);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(key);
        Ok(())
    }
}

impl Shared {
    async fn verify(&self, place: Place<'_>, manifest: Sha256, keys: &Keys) -> Result<(), Error> {
        let mut tally = Tally::default();
        if place.tagged_signature(manifest, keys, &mut tally).await?
            || place.bundled_signature(manifest, keys, &mut tally).await?
        {
            return Ok(());
        }
        let host = place.repository.url().authority();
        let url = format!("oci://{host}/{}@sha256:{manifest}", place.name);
        let why = match tally.found {
            0 => "it is not signed (cosign sign --key)".to_owned(),
            1 => "its signature is by none of the keys, or not for this chart".to_owned(),
            found if found > SIGNATURES => {
                format!("none of the first {SIGNATURES} of its {found} signatures is by one of the keys")
            }
            found => format!("none of its {found} signatures is by one of the keys"),
        };
        Err(Error::Unsigned { url, why })
    }
}

impl Place<'_> {
    async fn tagged_signature(&self, manifest: Sha256, keys: &Keys, tally: &mut Tally) -> Result<bool, Error> {
        let at = format!("sha256-{manifest}.sig");
        let Some((_, bytes)) = self.document(&at).await? else { return Ok(false) };
        // What cannot be read is no signature.
        let layers = serde_json::from_slice::<Manifest>(&bytes).map(|manifest| manifest.layers).unwrap_or_default();
        for layer in layers.iter().filter(|layer| layer.media_type == PAYLOAD) {
            let signature = layer.annotation(SIGNATURE).and_then(|text| BASE64_STANDARD.decode(text.trim()).ok());
            let payload = layer.within(SIGNED);
            let (true, Some(signature), Some((digest, size))) = (tally.take(), signature, payload) else { continue };
            let payload = self.blob(digest, Some(size)).await?;
            if keys.signed(&payload, &signature) && claims(&payload, manifest) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn bundled_signature(&self, manifest: Sha256, keys: &Keys, tally: &mut Tally) -> Result<bool, Error> {
        let Some(bytes) = self.referrers(manifest).await? else { return Ok(false) };
        let several = serde_json::from_slice::<Manifest>(&bytes).map(|index| index.manifests).unwrap_or_default();
        for one in several.iter().filter(|one| one.artifact_type.starts_with(BUNDLE)) {
            let (true, Some((digest, _))) = (tally.take(), one.within(SIGNED)) else { continue };
            let Some((_, bytes)) = self.document(&format!("sha256:{digest}")).await? else { continue };
            let layers = serde_json::from_slice::<Manifest>(&bytes).map(|manifest| manifest.layers).unwrap_or_default();
            let Some(layer) = layers.iter().find(|layer| layer.media_type.starts_with(BUNDLE)) else { continue };
            let Some((digest, size)) = layer.within(SIGNED) else { continue };
            let bundle = self.blob(digest, Some(size)).await?;
            if states(&bundle, manifest, keys) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a payload is about this manifest.
fn claims(payload: &[u8], manifest: Sha256) -> bool {
    #[derive(Deserialize)]
    struct Payload {
        critical: Critical,
    }
    #[derive(Deserialize)]
    struct Critical {
        image: Image,
        #[serde(rename = "type")]
        kind: String,
    }
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "docker-manifest-digest")]
        digest: String,
    }
    serde_json::from_slice::<Payload>(payload)
        .is_ok_and(|p| p.critical.kind == CLAIM && sha256(&p.critical.image.digest) == Some(manifest))
}

/// Whether a bundle has a signature by one of the keys, and what is signed is about this manifest.
fn states(bundle: &[u8], manifest: Sha256, keys: &Keys) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bundle {
        dsse_envelope: Envelope,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope {
        payload: String,
        payload_type: String,
        signatures: Vec<Signature>,
    }
    #[derive(Deserialize)]
    struct Signature {
        sig: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statement {
        subject: Vec<Subject>,
        predicate_type: String,
    }
    #[derive(Deserialize)]
    struct Subject {
        #[serde(default)]
        digest: BTreeMap<String, String>,
    }
    let Ok(Bundle { dsse_envelope: envelope }) = serde_json::from_slice(bundle) else { return false };
    let Ok(payload) = BASE64_STANDARD.decode(&envelope.payload) else { return false };
    if envelope.payload_type != STATEMENT {
        return false;
    }
    // What is signed is the payload with its type and both lengths before it.
    let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len());
    let message = [head.as_bytes(), &payload].concat();
    let signatures = envelope.signatures.iter().take(SIGNATURES);
    let mut signatures = signatures.filter_map(|signature| BASE64_STANDARD.decode(&signature.sig).ok());
    if !signatures.any(|signature| keys.signed(&message, &signature)) {
        return false;
    }
    serde_json::from_slice::<Statement>(&payload).is_ok_and(|statement| {
        let mut digests = statement.subject.iter().filter_map(|subject| subject.digest.get("sha256"));
        statement.predicate_type == PREDICATE && digests.any(|digest| Sha256::parse(digest) == Some(manifest))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::Settings;
    use super::super::super::tests::Server;
    use super::*;
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    };
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use serde_json::json;

    fn pem(key: &PublicKeyX509Der<'_>) -> Vec<u8> {
        let text = BASE64_STANDARD.encode(key.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")).into_bytes()
    }

    fn keys(of: &[&EcdsaKeyPair]) -> Keys {
        let texts: Vec<Vec<u8>> = of.iter().map(|pair| pem(&pair.public_key().as_der().unwrap())).collect();
        Keys::read(texts.iter().map(|text| ("a.pub", text.as_slice()))).unwrap()
    }

    fn pair() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
    }

    fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
        pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn payload(manifest: Sha256, kind: &str) -> Vec<u8> {
        let image = json!({"docker-manifest-digest": format!("sha256:{manifest}")});
        json!({"critical": {"identity": {"docker-reference": "h/x/web"}, "image": image, "type": kind}, "optional": null})
            .to_string()
            .into_bytes()
    }

    fn bundle(pair: &EcdsaKeyPair, manifest: Sha256, predicate: &str) -> Vec<u8> {
        let statement = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": {},
            "subject": [{"digest": {"sha256": manifest.to_string()}}]})
        .to_string();
        let message = format!("DSSEv1 28 application/vnd.in-toto+json {} {statement}", statement.len());
        let signature = BASE64_STANDARD.encode(sign(pair, message.as_bytes()));
        json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": {
            "payload": BASE64_STANDARD.encode(statement), "payloadType": STATEMENT, "signatures": [{"sig": signature}]}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn keys_of_all_kinds() {
        let ed = Ed25519KeyPair::generate().unwrap();
        let wide = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let narrow = pair();
        let texts = [
            pem(&ed.public_key().as_der().unwrap()),
            pem(&wide.public_key().as_der().unwrap()),
            pem(&narrow.public_key().as_der().unwrap()),
        ];
        let keys = Keys::read(texts.iter().map(|text| ("a.pub", text.as_slice()))).unwrap();
        assert!(keys.signed(b"m", ed.sign(b"m").as_ref()));
        assert!(keys.signed(b"m", &sign(&wide, b"m")) && keys.signed(b"m", &sign(&narrow, b"m")));
        assert!(!keys.signed(b"n", &sign(&narrow, b"m")) && !keys.signed(b"m", &sign(&pair(), b"m")));
        assert!(!keys.signed(b"m", b""));
    }

    #[test]
    fn what_is_no_key() {
        let good = pem(&pair().public_key().as_der().unwrap());
        let private = String::from_utf8(good.clone()).unwrap().replace("PUBLIC", "PRIVATE");
        let cut = &good[..80];
        for text in [b"".as_slice(), b"\xff", b"-----BEGIN PUBLIC KEY-----", cut, private.as_bytes()] {
            let error = Keys::read([("good.pub", good.as_slice()), ("k.pub", text)]).unwrap_err();
            assert!(error.contains("k.pub is no public key"), "{error}");
        }
        assert_eq!(Keys::read([]).unwrap_err(), "there is no public key");
    }

    #[test]
    fn what_is_signed_must_be_about_the_chart() {
        let (ours, theirs, manifest) = (pair(), pair(), Sha256::of(b"chart"));
        let keys = keys(&[&ours]);
        assert!(claims(&payload(manifest, CLAIM), manifest));
        assert!(!claims(&payload(Sha256::of(b"other"), CLAIM), manifest));
        assert!(!claims(&payload(manifest, "something else"), manifest) && !claims(b"{}", manifest));
        for (bundle, expected) in [
            (bundle(&ours, manifest, PREDICATE), true),
            (bundle(&theirs, manifest, PREDICATE), false),
            (bundle(&ours, Sha256::of(b"other"), PREDICATE), false),
            (bundle(&ours, manifest, "https://slsa.dev/provenance/v1"), false),
            (b"{".to_vec(), false),
        ] {
            assert_eq!(states(&bundle, manifest, &keys), expected, "{}", String::from_utf8_lossy(&bundle));
        }
    }

    /// A registry that has these files under `x/web`.
    async fn serve(files: Vec<(String, Vec<u8>)>) -> (Server, Repository) {
        let files: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        let server = Server::start(move |seen| {
            let path = seen.path.trim_start_matches("/v2/x/web/");
            files.get(path).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |bytes| bytes.clone().into_response())
        })
        .await;
        let url = server.url.replace("http://", "oci://");
        (server, Repository::registry(&format!("{url}/x"), true).unwrap())
    }

    fn blob(files: &mut Vec<(String, Vec<u8>)>, bytes: Vec<u8>) -> String {
        let digest = format!("sha256:{}", Sha256::of(&bytes));
        files.push((format!("blobs/{digest}"), bytes));
        digest
    }

    async fn looked(files: Vec<(String, Vec<u8>)>, manifest: Sha256, keys: &Keys) -> Result<(), String> {
        let (server, repository) = serve(files).await;
        let sources = Sources::new(Settings::default());
        let found = sources.verify(&repository, "web", manifest, keys).await;
        if found.is_ok() {
            // Remembered.
            let before = server.seen.lock().unwrap().len();
            sources.verify(&repository, "web", manifest, keys).await.unwrap();
            assert_eq!(server.seen.lock().unwrap().len(), before);
        }
        found.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn signatures_are_found_in_both_forms() {
        let (ours, manifest) = (pair(), Sha256::of(b"chart"));
        let (keys, others) = (keys(&[&pair(), &ours]), keys(&[&pair()]));
        let unsigned = looked(Vec::new(), manifest, &keys).await.unwrap_err();
        assert!(unsigned.contains("x/web@sha256:") && unsigned.contains("it is not signed"), "{unsigned}");

        let mut tagged = Vec::new();
        let text = payload(manifest, CLAIM);
        let signature = BASE64_STANDARD.encode(sign(&ours, &text));
        let size = text.len();
        let digest = blob(&mut tagged, text);
        let layer = |annotation: &str| json!({"mediaType": PAYLOAD, "digest": digest, "size": size, "annotations": {SIGNATURE: annotation}});
        let layers = json!({"layers": [layer("?"), layer("AAAA"), layer(&signature)]}).to_string();
        tagged.push((format!("manifests/sha256-{manifest}.sig"), layers.into_bytes()));
        looked(tagged.clone(), manifest, &keys).await.unwrap();
        let refused = looked(tagged, manifest, &others).await.unwrap_err();
        assert!(refused.contains("none of its 3 signatures is by one of the keys"), "{refused}");

        for place in [format!("referrers/sha256:{manifest}"), format!("manifests/sha256-{manifest}")] {
            let mut bundled = Vec::new();
            let text = bundle(&ours, manifest, PREDICATE);
            let size = text.len();
            let digest = blob(&mut bundled, text);
            let kind = format!("{BUNDLE}.v0.3+json");
            let one = json!({"artifactType": kind, "layers": [{"mediaType": kind, "digest": digest, "size": size}]});
            let one = one.to_string().into_bytes();
            let entry =
                |digest: Sha256| json!({"artifactType": kind, "digest": format!("sha256:{digest}"), "size": one.len()});
            let index = json!({"manifests": [entry(Sha256::of(b"gone")), entry(Sha256::of(&one))]}).to_string();
            bundled.push((place, index.into_bytes()));
            bundled.push((format!("manifests/sha256:{}", Sha256::of(&one)), one));
            looked(bundled.clone(), manifest, &keys).await.unwrap();
            assert!(looked(bundled, manifest, &others).await.is_err());
        }
    }

    #[tokio::test]
    async fn no_more_than_some_are_looked_at() {
        let manifest = Sha256::of(b"chart");
        let layer = json!({"mediaType": PAYLOAD, "digest": format!("sha256:{manifest}"), "size": SIGNED + 1,
            "annotations": {SIGNATURE: "AAAA"}});
        let layers = json!({"layers": vec![layer; 1000]}).to_string();
        let files = vec![(format!("manifests/sha256-{manifest}.sig"), layers.into_bytes())];
        let refused = looked(files, manifest, &keys(&[&pair()])).await.unwrap_err();
        assert!(refused.contains("none of the first 32 of its 1000 signatures"), "{refused}");
    }
}
