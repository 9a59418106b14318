//! What the operator does, as spans for an OpenTelemetry collector (OTLP over HTTP).

use anyhow::Context as _;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use std::{pin::Pin, time::Duration};
use tokio::runtime::Handle;

/// Where a collector expects spans.
const PATH: &str = "/v1/traces";
/// How long a collector may take to take a batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for the last spans to be sent.
const LAST: Duration = Duration::from_secs(2);
/// No collector's answer is longer.
const ANSWER: u64 = 64 << 10;

/// Sends spans away until it is dropped, which sends what is left.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// For a collector at this address; `identity` names the process. Nothing is sent yet.
    ///
    /// # Errors
    /// If that is no address.
    pub(super) fn begin(collector: &str, identity: &str, runtime: &Handle) -> anyhow::Result<Self> {
        let client =
            reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { client, runtime: runtime.clone() })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint(collector))
            .with_timeout(PATIENCE)
            .build()
            .with_context(|| format!("--traces {collector:?}"))?;
        let resource = Resource::builder()
            .with_service_name("pintle")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", identity.to_owned()))
            .build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    /// What makes spans.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer("pintle")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// A collector's address, which may be given with or without the path.
fn endpoint(collector: &str) -> String {
    let collector = collector.trim_end_matches('/');
    if collector.ends_with(PATH) { collector.to_owned() } else { format!("{collector}{PATH}") }
}

/// Sends on the operator's threads: batches are made on one that has no runtime.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

impl HttpClient for Sender {
    fn send_bytes<'own, 'sent>(
        &'own self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'own: 'sent,
        Self: 'sent,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            if answer.content_length().is_some_and(|length| length > ANSWER) {
                return Err(HttpError::from("the collector's answer is too long"));
            }
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                headers.extend(answer.headers().clone());
            }
            Ok(response.body(bounded(answer).await?)?)
        });
        Box::pin(async move { sent.await? })
    }
}

async fn bounded(mut answer: reqwest::Response) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await? {
        body.extend_from_slice(&part);
        if body.len() as u64 > ANSWER {
            return Err(HttpError::from("the collector's answer is too long"));
        }
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_the_path_or_not() {
        for (given, expect) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://h/otlp", "https://h/otlp/v1/traces"),
            ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ] {
            assert_eq!(endpoint(given), expect);
        }
    }
}
