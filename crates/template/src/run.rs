//! A run: everything that the templates of one render share while they execute.

use crate::diagnosis::{Hint, nearest};
use crate::error::{Cause, Error, Limit, ParseError};
use crate::func::{FuncError, FunctionTable};
use crate::machine::Machine;
use crate::program::{Constant, Template};
use crate::set::Set;
use foldhash::HashMap;
use pintle_golib::time::Duration;
use pintle_value::{Str, Value};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What a key gives that a map has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// The zero value of the map's element type (`missingkey=zero`).
    #[default]
    Zero,
    /// An error (`missingkey=error`, Helm's strict mode).
    Error,
}

/// What a run may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps: calls, rounds of loops, things written, and what functions add with [`Call::spend`].
    pub steps: u64,
    /// Bytes written, to outputs of named templates too, or returned as strings by functions.
    pub bytes: u64,
    /// `template` actions within each other.
    pub depth: u32,
    /// Templates executed by functions (`include`, `tpl`) within each other. Each takes about [`NESTING_STACK`] bytes
    /// of the thread's stack.
    pub nesting: u32,
}

/// The stack that a level of [`Limits::nesting`] takes at most, in bytes, a debug build included. The thread of a run
/// needs this times the limit.
pub const NESTING_STACK: usize = 8 << 10;

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 500_000_000, bytes: 1 << 30, depth: 100_000, nesting: 1_100 }
    }
}

/// How a run goes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What missing keys give.
    pub missing_key: MissingKey,
    /// What may be used up.
    pub limits: Limits,
    /// Set from another thread, it ends the run.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// What stays the same during a run.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    pub(crate) set: &'a Set,
    pub(crate) functions: &'a FunctionTable,
    pub(crate) host: &'a dyn Any,
    pub(crate) options: &'a Options,
}

/// A template with the constants that were made into values so far.
pub(crate) struct Loaded {
    pub(crate) template: Arc<Template>,
    constants: RefCell<Vec<Value>>,
    /// For each of the names, where in a map it was last found: values mostly have the same keys.
    pub(crate) hints: Box<[Cell<u32>]>,
}

impl Loaded {
    fn new(template: Arc<Template>) -> Rc<Self> {
        let constants = RefCell::new(vec![Value::Nil; template.constants.len()]);
        let hints = vec![Cell::new(0); template.names.len()].into();
        Rc::new(Self { template, constants, hints })
    }

    pub(crate) fn constant(&self, at: u32) -> Value {
        let at = at as usize;
        let mut constants = self.constants.borrow_mut();
        let value = &mut constants[at];
        if let Value::Nil = value {
            *value = thaw(&self.template.constants[at]);
        }
        value.clone()
    }
}

pub(crate) fn thaw(constant: &Constant) -> Value {
    match constant {
        Constant::Bool(b) => Value::Bool(*b),
        Constant::Int(n) => Value::Int(*n),
        Constant::Int64(n) => Value::Int64(*n),
        Constant::Duration(n) => Value::Duration(Duration::from_nanos(*n)),
        Constant::Float(f) => Value::Float64(*f),
        Constant::Complex(re, im) => Value::Complex128(Rc::new((*re, *im))),
        Constant::Text(text) => Value::str(&**text),
    }
}

/// The templates that a text executed by `tpl` defines, seen while it executes.
struct Layer {
    loaded: Rc<Loaded>,
    names: HashMap<Box<[u8]>, u32>,
}

/// Texts kept compiled within a run, in bytes.
const TEXT_CACHE: usize = 16 << 20;

/// The largest buffer that is kept for the next output, in bytes.
const KEPT_OUTPUT: usize = 256 << 10;

/// How often the flag for cancelling is looked at, in steps.
const POLL: u32 = 1024;

/// What changes during a run.
pub(crate) struct State {
    steps: u64,
    bytes: u64,
    until_poll: u32,
    nesting: u32,
    pub(crate) frames: u32,
    units: Vec<Option<Rc<Loaded>>>,
    layers: Vec<Layer>,
    texts: HashMap<Box<[u8]>, Rc<Loaded>>,
    texts_size: usize,
    top: Rc<str>,
    machines: Vec<Machine>,
    /// Empty buffers that outputs of functions are written to, before their size is known.
    outputs: Vec<Vec<u8>>,
}

impl State {
    /// Uses up steps.
    pub(crate) fn charge(&mut self, environment: &Environment<'_>, steps: u64) -> Result<(), Limit> {
        self.steps = self.steps.checked_sub(steps).ok_or(Limit::Steps)?;
        self.until_poll -= 1;
        if self.until_poll == 0 {
            self.until_poll = POLL;
            if environment.options.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
                return Err(Limit::Cancelled);
            }
        }
        Ok(())
    }

    /// Uses up bytes.
    pub(crate) fn charge_bytes(&mut self, count: usize) -> Result<(), Limit> {
        self.bytes = self.bytes.checked_sub(count as u64).ok_or(Limit::Bytes)?;
        Ok(())
    }

    fn unit(&mut self, environment: &Environment<'_>, unit: u32) -> Rc<Loaded> {
        let templates = &environment.set.templates;
        if self.units.len() < templates.len() {
            self.units.resize(templates.len(), None);
        }
        let unit = unit as usize;
        Rc::clone(self.units[unit].get_or_insert_with(|| Loaded::new(Arc::clone(&templates[unit]))))
    }

    /// The body of a name, as seen from the innermost `tpl`.
    pub(crate) fn find(&mut self, environment: &Environment<'_>, name: &[u8]) -> Option<(Rc<Loaded>, u32)> {
        for layer in self.layers.iter().rev() {
            if let Some(&body) = layer.names.get(name) {
                return Some((Rc::clone(&layer.loaded), body));
            }
        }
        let (unit, body) = environment.set.find(name)?;
        Some((self.unit(environment, unit), body))
    }

    /// A name that is known and reads like one that is not.
    pub(crate) fn alike(&self, environment: &Environment<'_>, name: &[u8]) -> Hint {
        let defined = self.layers.iter().flat_map(|layer| layer.names.keys().map(|name| &**name));
        let names = defined.chain(environment.set.names()).map(String::from_utf8_lossy);
        Hint::Template { nearest: nearest(&String::from_utf8_lossy(name), names) }
    }

    fn execute(
        &mut self,
        environment: Environment<'_>,
        (loaded, body): (Rc<Loaded>, u32),
        data: Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Error>> {
        if self.nesting >= environment.options.limits.nesting {
            return Err(limit_error(&environment, Limit::Depth));
        }
        self.nesting += 1;
        let mut machine = self.machines.pop().unwrap_or_default();
        let result = machine.run(environment, self, loaded, body, data, out);
        machine.clear();
        self.machines.push(machine);
        self.nesting -= 1;
        result
    }
}

/// The error of a limit that was reached.
pub(crate) fn limit_error(environment: &Environment<'_>, limit: Limit) -> Box<Error> {
    Error::new(limit_message(environment, limit), Cause::Limit(limit))
}

pub(crate) fn limit_message(environment: &Environment<'_>, limit: Limit) -> String {
    let limits = &environment.options.limits;
    match limit {
        Limit::Steps => format!("the render takes more than {} steps", limits.steps),
        Limit::Bytes => format!("the render makes more than {} bytes of text", limits.bytes),
        Limit::Depth => {
            format!("templates are executed by functions more than {} levels within each other", limits.nesting)
        }
        Limit::Cancelled => "the render was cancelled".to_owned(),
    }
}

/// Executes templates of a set. Limits, compiled texts and the counting of steps are common to all of a run.
pub struct Run<'a> {
    environment: Environment<'a>,
    state: State,
}

impl<'a> Run<'a> {
    /// Begins a run. `functions` are for texts that are compiled while it goes on; `host` is what functions find in
    /// [`Call::host`].
    pub fn new(set: &'a Set, functions: &'a FunctionTable, host: &'a dyn Any, options: &'a Options) -> Self {
        let state = State {
            steps: options.limits.steps,
            bytes: options.limits.bytes,
            until_poll: 1,
            nesting: 0,
            frames: 0,
            units: Vec::new(),
            layers: Vec::new(),
            texts: HashMap::default(),
            texts_size: 0,
            top: Rc::from(""),
            machines: Vec::new(),
            outputs: Vec::new(),
        };
        Self { environment: Environment { set, functions, host, options }, state }
    }

    /// Executes the template of a name and appends what it writes.
    ///
    /// # Errors
    /// What the template meets, in Go's words, or a limit that is reached. The output may be written in part.
    pub fn execute(&mut self, name: &str, data: Value, out: &mut Vec<u8>) -> Result<(), Box<Error>> {
        self.state.top = Rc::from(name);
        self.state.frames = 0;
        self.state.nesting = 0;
        self.state.layers.clear();
        let found = self.state.find(&self.environment, name.as_bytes());
        let target = found.ok_or_else(|| no_template(&self.environment, &self.state, name.as_bytes()))?;
        self.state.execute(self.environment, target, data, out)
    }

    /// Steps used so far.
    pub fn steps(&self) -> u64 {
        self.environment.options.limits.steps - self.state.steps
    }

    /// Bytes made so far.
    pub fn bytes(&self) -> u64 {
        self.environment.options.limits.bytes - self.state.bytes
    }
}

fn no_template(environment: &Environment<'_>, state: &State, name: &[u8]) -> Box<Error> {
    let hint = state.alike(environment, name);
    let (name, set) =
        (pintle_golib::strconv::quote(name), pintle_golib::strconv::quote(environment.set.name().as_bytes()));
    Error::hinted(format!("no template {name} associated with template {set}"), Cause::NoTemplate, hint)
}

/// Why a text could not be executed.
#[derive(Debug)]
pub enum TextError {
    /// It is no template.
    Parse(ParseError),
    /// It failed.
    Execute(Box<Error>),
}

/// What a function may do with the run that called it.
pub struct Call<'a> {
    pub(crate) environment: Environment<'a>,
    pub(crate) state: &'a mut State,
}

impl<'a> Call<'a> {
    /// The host of the run.
    pub fn host(&self) -> &'a dyn Any {
        self.environment.host
    }

    /// The host of the run, if it is of this type.
    pub fn host_as<T: Any>(&self) -> Option<&'a T> {
        self.environment.host.downcast_ref()
    }

    /// The name of the template that the run was asked to execute.
    pub fn top(&self) -> &str {
        &self.state.top
    }

    /// The set's name.
    pub fn set_name(&self) -> &'a str {
        self.environment.set.name()
    }

    /// What the run was started with.
    pub fn options(&self) -> &'a Options {
        self.environment.options
    }

    /// Whether there is a template of this name.
    pub fn knows(&mut self, name: &[u8]) -> bool {
        self.state.find(&self.environment, name).is_some()
    }

    /// How many templates are being executed within each other by functions.
    pub fn nesting(&self) -> u32 {
        self.state.nesting
    }

    /// Executes the template of a name.
    ///
    /// # Errors
    /// What the template meets.
    pub fn execute(&mut self, name: &[u8], data: Value) -> Result<Str, Box<Error>> {
        let found = self.state.find(&self.environment, name);
        let target = found.ok_or_else(|| no_template(&self.environment, self.state, name))?;
        let mut out = self.state.outputs.pop().unwrap_or_default();
        self.state.execute(self.environment, target, data, &mut out)?;
        let text = Str::from(&*out);
        if out.capacity() <= KEPT_OUTPUT {
            out.clear();
            self.state.outputs.push(out);
        }
        Ok(text)
    }

    /// Compiles a text under a name and executes it. It sees all templates of the run; what it defines is seen by what
    /// it executes, and by nobody else.
    ///
    /// # Errors
    /// Where the text is no template, and what it meets.
    pub fn execute_text(&mut self, name: &str, text: &[u8], data: Value) -> Result<Vec<u8>, TextError> {
        if !text.windows(2).any(|pair| pair == b"{{") {
            // Nothing to do but to hand it back, as many texts are that might be templates.
            let charged = self.state.charge_bytes(text.len());
            charged.map_err(|limit| TextError::Execute(limit_error(&self.environment, limit)))?;
            return Ok(text.to_vec());
        }
        let loaded = self.compiled(name, text)?;
        let template = Arc::clone(&loaded.template);
        let mut names = HashMap::default();
        for (at, body) in (0..).zip(&template.bodies) {
            if !(body.is_blank && self.knows(&body.name)) {
                names.insert(body.name.clone(), at);
            }
        }
        self.state.layers.push(Layer { loaded: Rc::clone(&loaded), names });
        let mut out = Vec::new();
        let result = self.state.execute(self.environment, (loaded, template.main), data, &mut out);
        self.state.layers.pop();
        result.map(|()| out).map_err(TextError::Execute)
    }

    /// A text compiled, now or earlier in the run.
    fn compiled(&mut self, name: &str, text: &[u8]) -> Result<Rc<Loaded>, TextError> {
        if let Some(loaded) = self.state.texts.get(text)
            && loaded.template.name == name
        {
            return Ok(Rc::clone(loaded));
        }
        // Compiling takes time and memory in proportion to the text.
        self.state
            .charge(&self.environment, text.len() as u64)
            .and_then(|()| self.state.charge_bytes(text.len()))
            .map_err(|limit| TextError::Execute(limit_error(&self.environment, limit)))?;
        let template = Template::parse(name, text, self.environment.functions).map_err(TextError::Parse)?;
        let loaded = Loaded::new(Arc::new(template));
        self.state.texts_size += text.len() + 64;
        if self.state.texts_size <= TEXT_CACHE {
            self.state.texts.insert(text.into(), Rc::clone(&loaded));
        }
        Ok(loaded)
    }

    /// Uses up steps, for work that grows with the arguments.
    ///
    /// # Errors
    /// If there are not so many left.
    pub fn spend(&mut self, steps: u64) -> Result<(), FuncError> {
        let charged = self.state.charge(&self.environment, steps);
        charged.map_err(|limit| FuncError::Template(limit_error(&self.environment, limit)))
    }

    /// Uses up bytes, before a text or list of this size is made. The size of a returned string is charged by itself.
    ///
    /// # Errors
    /// If there are not so many left.
    pub fn spend_bytes(&mut self, count: usize) -> Result<(), FuncError> {
        let charged = self.state.charge_bytes(count);
        charged.map_err(|limit| FuncError::Template(limit_error(&self.environment, limit)))
    }

    /// Whether a text of this size could still be made: for checking before, where the result is charged by itself.
    ///
    /// # Errors
    /// If it could not.
    pub fn allow_bytes(&self, count: usize) -> Result<(), FuncError> {
        if count as u64 > self.state.bytes {
            return Err(FuncError::Template(limit_error(&self.environment, Limit::Bytes)));
        }
        Ok(())
    }
}
