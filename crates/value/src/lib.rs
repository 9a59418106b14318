//! Go's dynamic values, as templates see them.
//!
//! A [`Value`] is what Go keeps behind an `interface{}`: it remembers its Go type (an `int` is not an `int64`, a
//! `[]string` not a `[]interface {}`), because `typeOf`, `eq`, `has`, `printf` and argument checks all show it.
//! Maps and lists are references, as in Go: `set` on a map is seen by everybody who holds it.
//!
//! Values live on one thread (a render); what threads share is converted at the door.

pub mod fmt;
pub mod json;
mod list;
mod map;
mod object;
mod string;
mod teardown;
pub mod toml;
mod value;

pub use list::{List, ListKind};
pub use map::{Map, MapKind};
pub use object::{CallError, Method, Named, Object};
pub use string::Str;
pub use teardown::CycleGuard;
pub use value::{Kind, Value};
