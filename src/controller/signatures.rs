//! Charts that must be signed (`spec.chart.spec.verify`): by which keys, and whether they are. The Secret with the keys is read
//! as the release's identity, and not again before it changes.

use super::{
    context::Context,
    live::Live,
    resolve::{Blocked, content},
};
use crate::{
    cluster::{Class, Cluster},
    crd::{HelmRelease, Verify, VerifyProvider},
    source::{Keys, Repository, Tagged},
};

/// Flux's word.
const REASON: &str = "ChartVerificationError";
/// What the keys are called in the Secret.
const SUFFIX: &str = ".pub";

/// The Secret that has the keys.
pub fn secret(release: &HelmRelease) -> Option<&str> {
    let verify = release.spec.chart.as_ref()?.spec.verify.as_ref()?;
    verify.secret_ref.as_ref().map(|secret| secret.name.as_str())
}

/// Nothing if the chart is signed as the spec wants it. Costs no request for a chart that was found to be.
///
/// # Errors
/// If it is not, or that cannot be found out.
pub async fn check(
    release: &HelmRelease,
    (repository, chart, tagged): (&Repository, &str, &Tagged),
    ctx: &Context,
    live: &mut Live,
    cluster: &Cluster,
) -> Result<(), Blocked> {
    let Some(verify) = release.spec.chart.as_ref().and_then(|chart| chart.spec.verify.as_ref()) else { return Ok(()) };
    let name = checkable(verify)?;
    let generation = release.metadata.generation.unwrap_or_default();
    let keys = match live.keys.as_ref().filter(|(of, _)| *of == generation) {
        Some((_, keys)) => keys.clone(),
        None => {
            let keys = read(release.metadata.namespace.as_deref().unwrap_or_default(), name, cluster).await?;
            live.keys = Some((generation, keys.clone()));
            keys
        }
    };
    let title = format!("chart {chart}@{}", tagged.entry.version);
    ctx.sources.verify(repository, chart, tagged.manifest, &keys).await.map_err(|error| {
        // It may be signed later; nobody tells.
        let reason = if error.is_outage() { error.chart_reason() } else { REASON };
        Blocked::for_now(reason, format!("{title}: {error}"))
    })
}

/// The name of the Secret with the keys, if that is how it is to be verified.
pub fn checkable(verify: &Verify) -> Result<&str, Blocked> {
    let refusal = match (verify.provider, &verify.secret_ref) {
        (VerifyProvider::Cosign, Some(secret)) => return Ok(&secret.name),
        (VerifyProvider::Cosign, None) => {
            "spec.chart.spec.verify without a secretRef (keyless, by an identity) is not supported: name a Secret with public keys"
        }
        (VerifyProvider::Notation, _) => {
            "spec.chart.spec.verify.provider notation is not supported: sign with cosign and a key"
        }
    };
    Err(Blocked::for_good("UnsupportedField", refusal))
}

async fn read(namespace: &str, name: &str, cluster: &Cluster) -> Result<Keys, Blocked> {
    let title = format!("spec.chart.spec.verify: Secret {namespace}/{name}");
    let found = content("Secret", namespace, name, cluster).await.map_err(|error| {
        let reason = if error.class() == Class::Forbidden { "AccessDenied" } else { REASON };
        Blocked::for_now(reason, format!("{title}: {error}"))
    })?;
    let Some(entries) = found else {
        return Err(Blocked::until_change(REASON, format!("{title} does not exist")));
    };
    let keys = entries.iter().filter(|(key, _)| key.ends_with(SUFFIX));
    Keys::read(keys.map(|(key, text)| (key.as_str(), text.as_slice())))
        .map_err(|why| Blocked::until_change(REASON, format!("{title}: {why} (keys that end in {SUFFIX} are read)")))
}
