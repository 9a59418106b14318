//! New names, tags and digests for images, where Kustomize looks for them: in every list of containers or init containers,
//! whatever the kind, and in the image volumes of Pods and their templates. Definitions of custom resources are left alone.

use super::Image;
use pintle_golib::regexp::Regex;
use serde_json::Value;

/// An image to be changed.
pub(super) struct Renaming {
    matching: Regex,
    image: Image,
}

impl Renaming {
    pub(super) fn compile(image: &Image) -> Result<Self, String> {
        // Kustomize takes the name for a regular expression.
        let pattern = format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
        let matching = Regex::compile(pattern.as_bytes()).map_err(|error| format!("name {:?}: {error}", image.name))?;
        Ok(Self { matching, image: image.clone() })
    }

    /// Changes the images of an object.
    pub(super) fn apply(&self, object: &mut Value) {
        if object.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition") {
            return;
        }
        self.walk(object);
        for place in ["/spec/volumes", "/spec/template/spec/volumes"] {
            let Some(Value::Array(volumes)) = object.pointer_mut(place) else { continue };
            for volume in volumes {
                if let Some(reference) = volume.pointer_mut("/image/reference") {
                    self.change(reference);
                }
            }
        }
    }

    fn walk(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    self.walk(value);
                    if key == "containers" || key == "initContainers" {
                        let containers = value.as_array_mut().into_iter().flatten();
                        containers
                            .filter_map(|container| container.get_mut("image"))
                            .for_each(|image| self.change(image));
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn change(&self, image: &mut Value) {
        let old = match &*image {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return,
        };
        if !self.matching.is_match(old.as_bytes()) {
            return;
        }
        let (name, tag, digest) = parts(&old);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let name = given(&self.image.new_name).unwrap_or_else(|| name.to_owned());
        let new = (given(&self.image.new_tag), given(&self.image.digest));
        let (tag, digest) = if new == (None, None) { (tag.map(str::to_owned), digest.map(str::to_owned)) } else { new };
        let mut text = name;
        if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = digest.filter(|digest| !digest.is_empty()) {
            text = format!("{text}@{digest}");
        }
        *image = Value::String(text);
    }
}

/// Name, tag and digest of an image. A colon before the first slash belongs to the server's name.
fn parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let path = image.find('/').unwrap_or_default();
    let (rest, digest) = match image[path..].find('@') {
        Some(at) => (&image[..path + at], Some(&image[path + at + 1..])),
        None => (image, None),
    };
    match rest[path..].find(':') {
        Some(at) => (&rest[..path + at], Some(&rest[path + at + 1..]), digest),
        None => (rest, None, digest),
    }
}
