//! Rendering a release: on a thread for blocking work, with the release's own eyes on the cluster.

use super::{
    charts::{self, Loaded},
    context::Context,
    eyes::{self, Eyes},
    policy::Place,
    post_render,
    resolve::{Blocked, Wanted},
};
use crate::{
    action::{Action, begin::Draft},
    chart::{Chart, Crd, Frozen, dependencies::Instance, record::to_record_json},
    cluster::{self, Class, Cluster},
    crd::HelmRelease,
    release::{HookRecord, LastRun, RawChart},
    render::{self, Hook, HookEvent, Options, Release, RenderError, RenderRequest},
};
use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Instant,
};
use tokio::{runtime::Handle, sync::Semaphore};

/// The longest line, in bytes, that is added to Helm's text for a failed render.
const HINT: usize = 300;

/// What a render made.
pub struct Rendered {
    /// Ready to become a revision.
    pub draft: Draft,
    /// Helm 2's `crd-install` hooks: definitions that old charts keep among their templates. Path and text.
    pub definitions: Vec<(String, String)>,
    /// What Helm would have warned of.
    pub warnings: Vec<String>,
}

/// The files of `crds/` of a chart and of the subcharts that these values enable: path and text.
///
/// # Errors
/// If the values cannot be put together; the text is Helm's.
pub fn crds(chart: &Arc<Chart>, values: &serde_json::Value) -> Result<Vec<(String, String)>, Blocked> {
    let failed = |message: String| Blocked::until_change("ValuesError", message);
    let user = Frozen::try_from(values).map_err(|error| failed(error.to_string()))?.thaw_table();
    let instance = Instance::process(chart, &user, &mut Vec::new()).map_err(|error| failed(error.to_string()))?;
    let text = |crd: Crd| (crd.path, String::from_utf8_lossy(&crd.file.data).into_owned());
    Ok(instance.crds().into_iter().map(text).collect())
}

/// Renders, until it is cancelled.
///
/// # Errors
/// In Helm's words.
#[allow(clippy::too_many_arguments)]
pub async fn render(
    release: &HelmRelease,
    ctx: &Arc<Context>,
    cluster: &Arc<Cluster>,
    chart: &Arc<Loaded>,
    wanted: &Wanted,
    place: &Place,
    action: Action,
    revision: u32,
    cancel: Arc<AtomicBool>,
) -> Result<Rendered, Blocked> {
    let failed = if action == Action::Install { "InstallFailed" } else { "UpgradeFailed" };
    let found = cluster.capabilities().await.map_err(|error| unreachable(failed, &error))?;
    let capabilities = eyes::capabilities(found);
    let spec = &release.spec;
    let skip_schema_validation = match action {
        Action::Install => spec.install.as_ref().is_some_and(|i| i.disable_schema_validation),
        _ => spec.upgrade.as_ref().is_some_and(|u| u.disable_schema_validation),
    };
    let values =
        Frozen::try_from(&*wanted.values).map_err(|error| Blocked::until_change("ValuesError", error.to_string()))?;
    let request = RenderRequest {
        chart: chart.compiled.clone(),
        values,
        release: Release {
            name: place.name.clone(),
            namespace: place.namespace.clone(),
            revision: i64::from(revision),
            is_upgrade: action != Action::Install,
        },
        capabilities: Arc::new(capabilities),
        options: Options {
            skip_schema_validation,
            crd_install_hooks: true,
            limits: ctx.settings.render_limits,
            cancel: Some(cancel),
            ..Options::default()
        },
        host: Arc::new(Eyes {
            cluster: cluster.clone(),
            runtime: Handle::current(),
            dns: ctx.settings.dns,
            schema_at: None,
        }),
    };
    // Renders are bounded by the processors: more at once would only take memory.
    let turn = turns().acquire().await.map_err(|error| Blocked::for_now(failed, error.to_string()))?;
    // What is large waits for its turn and does not add to the others' peak.
    let share = ctx.budget.take(charts::rendering(chart.size)).await;
    let began = Instant::now();
    let post = post_render::wanted(spec);
    let rendered = tokio::task::spawn_blocking(move || {
        let _share = share;
        let crd_install = request.options.crd_install_hooks;
        render::render(&request).map(|mut rendered| post.apply(&mut rendered, crd_install).map(|()| rendered))
    })
    .await;
    drop(turn);
    ctx.metrics.render_seconds.observe(began.elapsed());
    let title = format!("chart {}@{}", wanted.chart, wanted.version);
    let rendered = match rendered {
        Ok(Ok(Ok(rendered))) => rendered,
        Ok(Ok(Err(error))) => return Err(Blocked::until_change(failed, format!("{title}: {error}"))),
        Ok(Err(error @ RenderError::Schema(_))) => {
            return Err(Blocked::until_change(failed, format!("{title}: {error}")));
        }
        // A template may have looked at the cluster, so it is worth another try.
        Ok(Err(error)) => {
            let hint = error.diagnosis().and_then(|diagnosis| diagnosis.line(HINT));
            let hint = hint.map(|hint| format!("\n{hint}")).unwrap_or_default();
            return Err(Blocked::for_now(failed, format!("{title}: {error}{hint}")));
        }
        Err(error) => return Err(Blocked::for_now(failed, format!("{title}: the render was interrupted: {error}"))),
    };
    draft(rendered, chart, wanted, place)
        .map_err(|message| Blocked::until_change(failed, format!("{title}: {message}")))
}

fn unreachable(reason: &'static str, error: &cluster::Error) -> Blocked {
    Blocked::for_now(if error.class() == Class::Forbidden { "AccessDenied" } else { reason }, error.to_string())
}

fn turns() -> &'static Semaphore {
    static TURNS: OnceLock<Semaphore> = OnceLock::new();
    TURNS.get_or_init(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)))
}

fn draft(rendered: render::Rendered, chart: &Loaded, wanted: &Wanted, place: &Place) -> Result<Rendered, String> {
    let stored = to_record_json(&chart.chart, &rendered.metadata, &rendered.chart_values);
    let stored = String::from_utf8(stored).map_err(|error| error.to_string())?;
    let raw = serde_json::value::RawValue::from_string(stored).map_err(|error| error.to_string())?;
    let (definitions, hooks): (Vec<Hook>, Vec<Hook>) =
        rendered.hooks.into_iter().partition(|hook| hook.events.contains(&HookEvent::CrdInstall));
    Ok(Rendered {
        draft: Draft {
            name: place.name.clone(),
            namespace: place.namespace.clone(),
            chart: RawChart::new(raw),
            config: wanted.values.as_object().cloned().unwrap_or_default(),
            manifest: rendered.manifest,
            hooks: hooks.into_iter().map(hook).collect(),
            notes: rendered.notes,
        },
        definitions: definitions.into_iter().map(|hook| (hook.path, hook.manifest)).collect(),
        warnings: rendered.warnings,
    })
}

fn hook(hook: Hook) -> HookRecord {
    HookRecord {
        name: hook.name,
        kind: hook.kind,
        path: hook.path,
        manifest: hook.manifest,
        events: hook.events.iter().map(|event| event.as_str().to_owned()).collect(),
        last_run: LastRun::default(),
        weight: i32::try_from(hook.weight.clamp(i64::from(i32::MIN), i64::from(i32::MAX))).unwrap_or_default(),
        delete_policies: hook.delete_policies,
        output_log_policies: hook.output_log_policies,
    }
}
