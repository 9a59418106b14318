#![doc = include_str!("../README.md")]

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
