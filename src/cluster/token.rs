//! A token that shows who asks an API server, and that may be replaced while clients with it are in use.

use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderValue, Request, header};
use kube::client::Body;

/// A token. Clones share it.
#[derive(Clone)]
pub struct Token {
    shown: Arc<RwLock<HeaderValue>>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A token of this text; nothing if it cannot be sent.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Some(Self { shown: Arc::new(RwLock::new(shown(text)?)) })
    }

    /// Shows another one from now on; whether it can be sent.
    pub fn replace(&self, text: &str) -> bool {
        let Some(new) = shown(text) else { return false };
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = new;
        true
    }

    /// The same client for whoever has the token.
    pub(super) fn given_to(self, base: kube::Client) -> kube::Client {
        let namespace = base.default_namespace().to_owned();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            let base = base.clone();
            let token = self.shown.read().unwrap_or_else(PoisonError::into_inner).clone();
            request.headers_mut().insert(header::AUTHORIZATION, token);
            async move { base.send(request).await }
        });
        kube::Client::new(service, namespace)
    }
}

fn shown(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {text}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_newest_one_is_shown() {
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen_by = Arc::clone(&seen);
        let service = tower::service_fn(move |request: Request<Body>| {
            let text = request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned();
            seen_by.lock().unwrap().push(text);
            async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty())) }
        });
        let token = Token::new("one").unwrap();
        let client = token.clone().given_to(kube::Client::new(service, "default"));
        let ask = async || client.send(Request::new(Body::empty())).await.unwrap();
        ask().await;
        assert!(token.replace("two") && !token.replace("no\nheader"));
        ask().await;
        assert_eq!(*seen.lock().unwrap(), ["Bearer one", "Bearer two"]);
        assert!(Token::new("\n").is_none() && !format!("{token:?}").contains("two"));
    }
}
