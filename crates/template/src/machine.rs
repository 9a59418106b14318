//! The machine: runs a body's code over a stack of values. `template` actions are frames of its own and no recursion;
//! only functions that execute templates recurse, through [`crate::Call`].

use crate::builtins;
use crate::check::check;
use crate::compile::typed_literal;
use crate::diagnosis::{Diagnosis, Hint, KEPT, Link, Scene, hints};
use crate::error::{Cause, Error, Limit};
use crate::field::{FieldError, MethodRef, Slot, field, method};
use crate::func::{Builtin, Callee, FuncError, Type};
use crate::program::{Body, INHERIT, Literal, NO_SLOT, Names, Op, Template};
use crate::run::{Call, Environment, Loaded, State, limit_message, thaw};
use pintle_golib::time::Duration;
use pintle_value::{List, ListKind, MapKind, Str, Value, fmt};
use std::{mem, rc::Rc, sync::Arc};

/// How many bytes a function's text may have for one step.
const BYTES_PER_STEP: u64 = 64;

/// What a loop goes through.
enum Items {
    List { list: List, at: usize, length: usize, interface: bool },
    Bytes { bytes: Arc<[u8]>, at: usize },
    Map { entries: std::vec::IntoIter<(Str, Value)>, interface: bool },
    Count { at: u64, end: u64, make: fn(u64) -> Value },
}

struct Loop {
    items: Items,
    outer_dot: Slot,
}

/// A method call whose arguments are being computed.
struct Pending {
    receiver: Value,
    method: MethodRef,
}

/// Where to go on after a `template` action.
struct Frame {
    loaded: Rc<Loaded>,
    body: u32,
    at: usize,
    base: usize,
    dot: Slot,
}

/// The machine's memory, kept for the next execution.
#[derive(Default)]
pub(crate) struct Machine {
    stack: Vec<Value>,
    variables: Vec<Slot>,
    dots: Vec<Slot>,
    loops: Vec<Loop>,
    pending: Vec<Pending>,
    frames: Vec<Frame>,
}

/// Why a step failed; the place is added by who knows it. One word, so that steps return it cheaply.
struct Failure(Box<FailureKind>);

enum FailureKind {
    Message(String),
    NotDefined(String, Hint),
    Function(String, FuncError),
    Limit(Limit),
}

impl From<FailureKind> for Failure {
    #[cold]
    fn from(kind: FailureKind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<Limit> for Failure {
    #[cold]
    fn from(limit: Limit) -> Self {
        FailureKind::Limit(limit).into()
    }
}

impl From<String> for Failure {
    #[cold]
    fn from(message: String) -> Self {
        FailureKind::Message(message).into()
    }
}

impl From<FieldError> for Failure {
    #[cold]
    fn from(error: FieldError) -> Self {
        match error {
            FieldError::Message(message) => message.into(),
            FieldError::Call(name, error) => FailureKind::Function(name, FuncError::Text(error.0)).into(),
        }
    }
}

impl Machine {
    pub(crate) fn clear(&mut self) {
        self.stack.clear();
        self.variables.clear();
        self.dots.clear();
        self.loops.clear();
        self.pending.clear();
        self.frames.clear();
    }

    /// Executes a body.
    pub(crate) fn run(
        &mut self,
        environment: Environment<'_>,
        state: &mut State,
        loaded: Rc<Loaded>,
        body: u32,
        data: Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Box<Error>> {
        let frames_before = state.frames;
        let mut execution = Execution {
            machine: self,
            environment,
            state,
            out,
            at: 0,
            here: 0,
            base: 0,
            dot: Slot::plain(data),
            interface: false,
        };
        let mut current = (loaded, body);
        execution.enter(&current);
        loop {
            let loaded = Rc::clone(&current.0);
            let template: &Template = &loaded.template;
            match execution.steps(&loaded, template, current.1 as usize) {
                Ok(Flow::Enter(next, data)) => {
                    let outer = mem::replace(&mut current, next);
                    execution.machine.frames.push(Frame {
                        loaded: outer.0,
                        body: outer.1,
                        at: execution.here,
                        base: execution.base,
                        dot: mem::replace(&mut execution.dot, Slot::plain(data)),
                    });
                    execution.state.frames += 1;
                    execution.enter(&current);
                }
                Ok(Flow::Return) => {
                    execution.machine.variables.truncate(execution.base);
                    let Some(frame) = execution.machine.frames.pop() else {
                        state.frames = frames_before;
                        return Ok(());
                    };
                    execution.state.frames -= 1;
                    execution.here = frame.at;
                    execution.base = frame.base;
                    execution.dot = frame.dot;
                    current = (frame.loaded, frame.body);
                }
                Err(failure) => {
                    let body = &template.bodies[current.1 as usize];
                    let own = execution.here.checked_sub(1).and_then(|i| body.sites.get(i)).copied();
                    let site = match own {
                        None | Some(INHERIT) => body.sites.get(execution.at).copied().unwrap_or(INHERIT),
                        Some(site) => site,
                    };
                    let error = execution.error(&loaded, current.1, site, failure);
                    state.frames = frames_before;
                    return Err(error);
                }
            }
        }
    }
}

/// How a stretch of code ended.
enum Flow {
    Return,
    /// A template is to be executed with these data.
    Enter((Rc<Loaded>, u32), Value),
}

struct Execution<'m, 'e> {
    machine: &'m mut Machine,
    environment: Environment<'e>,
    state: &'m mut State,
    out: &'m mut Vec<u8>,
    /// The step that last said where errors are.
    at: usize,
    /// The next step.
    here: usize,
    /// Where the body's variables begin.
    base: usize,
    dot: Slot,
    /// Whether the top of the stack is what Go knows as an interface.
    interface: bool,
}

impl Execution<'_, '_> {
    /// What went wrong at a site, and what the values around it tell of it.
    #[cold]
    fn error(&self, loaded: &Loaded, body: u32, site: u32, failure: Failure) -> Box<Error> {
        let template = &*loaded.template;
        let known = &template.bodies[body as usize];
        let place = template.place(known, site);
        let link = |template: &Template, body: &Body, site: u32| {
            let is_text = !self.environment.set.holds(template);
            template.link(body, site).map(|link| Link { is_text, ..link })
        };
        let mut diagnosis = Diagnosis::default();
        // Of a long way the middle would be left out again, and there may be a hundred thousand frames.
        let frames = &self.machine.frames;
        let skipped = frames.len().saturating_sub(2 * KEPT - 1);
        let (first, rest) = frames.split_at(KEPT.min(frames.len()));
        diagnosis.omitted = skipped;
        for frame in first.iter().chain(rest.iter().skip(skipped)) {
            let outer = &frame.loaded.template;
            let body = &outer.bodies[frame.body as usize];
            let site = frame.at.checked_sub(1).and_then(|step| body.sites.get(step)).copied().unwrap_or(INHERIT);
            diagnosis.links.extend(link(outer, body, site));
        }
        diagnosis.links.extend(link(template, known, site));
        let mut scene = Scene {
            template,
            body: known,
            step: self.here.saturating_sub(1),
            at: self.at,
            dot: &self.dot,
            variables: self.machine.variables.get(self.base..).unwrap_or_default(),
            function: None,
        };
        let (message, cause) = match *failure.0 {
            FailureKind::Message(message) => {
                diagnosis.hints = hints(&scene);
                (message, Cause::None)
            }
            FailureKind::NotDefined(message, hint) => {
                diagnosis.hints.push(hint);
                (message, Cause::None)
            }
            FailureKind::Limit(limit) => (limit_message(&self.environment, limit), Cause::Limit(limit)),
            FailureKind::Function(name, FuncError::Text(text)) => {
                scene.function =
                    Some(matches!(self.environment.functions.resolve(name.as_bytes()), Some(Callee::Builtin(_))));
                diagnosis.hints = hints(&scene);
                (format!("error calling {name}"), Cause::Function(text))
            }
            FailureKind::Function(name, FuncError::Explained(text, inner)) => {
                diagnosis.append(*inner);
                (format!("error calling {name}"), Cause::Function(text))
            }
            FailureKind::Function(name, FuncError::Template(inner)) => {
                (format!("error calling {name}"), Cause::Template(inner))
            }
        };
        Box::new(Error { place, message, cause, diagnosis })
    }

    /// Makes room for a body's variables; `$` is the dot.
    fn enter(&mut self, (loaded, body): &(Rc<Loaded>, u32)) {
        let variables = &mut self.machine.variables;
        self.base = variables.len();
        variables.resize(self.base + loaded.template.bodies[*body as usize].slots as usize, Slot::default());
        variables[self.base] = self.dot.clone();
        self.here = 0;
        self.at = 0;
    }

    fn push(&mut self, slot: Slot) {
        self.interface = slot.interface;
        self.machine.stack.push(slot.value);
    }

    fn push_plain(&mut self, value: Value) {
        self.interface = false;
        self.machine.stack.push(value);
    }

    fn pop(&mut self) -> Value {
        self.machine.stack.pop().unwrap_or_default()
    }

    fn variable(&mut self, slot: u32) -> &mut Slot {
        &mut self.machine.variables[self.base + slot as usize]
    }

    fn walk(&self, loaded: &Loaded, receiver: &Slot, names: Names) -> Result<Slot, Failure> {
        let missing = self.environment.options.missing_key;
        let row = names.first as usize..(names.first + names.count) as usize;
        let mut row = loaded.template.names[row.clone()].iter().zip(&loaded.hints[row]);
        let Some((name, hint)) = row.next() else { return Ok(receiver.clone()) };
        let mut value = field(receiver, name, missing, hint)?;
        for (name, hint) in row {
            value = field(&value, name, missing, hint)?;
        }
        Ok(value)
    }

    /// Runs until the body ends or executes a template.
    fn steps(&mut self, loaded: &Rc<Loaded>, template: &Template, body: usize) -> Result<Flow, Failure> {
        let code = &*template.bodies[body].code;
        loop {
            let step = self.here;
            self.here = step + 1;
            match code[step] {
                Op::Text(span) => {
                    let text = span.of(&template.source);
                    self.state.charge_bytes(text.len())?;
                    self.out.extend_from_slice(text);
                }
                Op::DotPath(names) => {
                    self.at = step;
                    let value = self.walk(loaded, &self.dot, names)?;
                    self.push(value);
                }
                Op::VariablePath { slot, names } => {
                    self.at = step;
                    let receiver = &self.machine.variables[self.base + slot as usize];
                    let value = self.walk(loaded, receiver, names)?;
                    self.push(value);
                }
                Op::TopPath(names) => {
                    let receiver = Slot { interface: self.interface, value: self.pop() };
                    match self.walk(loaded, &receiver, names) {
                        Ok(value) => self.push(value),
                        // Only a method's error is at this node; the others are where the receiver was computed.
                        Err(failure) if matches!(*failure.0, FailureKind::Message(_)) => {
                            return Err(self.inherit(failure));
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                Op::Dot => {
                    self.at = step;
                    self.interface = self.dot.interface;
                    self.machine.stack.push(self.dot.value.clone());
                }
                Op::Variable(slot) => {
                    self.at = step;
                    let slot = self.variable(slot).clone();
                    self.push(slot);
                }
                Op::Const(constant) => {
                    self.at = step;
                    self.push_plain(loaded.constant(constant));
                }
                Op::Nil => {
                    if template.bodies[body].sites[step] != INHERIT {
                        self.at = step;
                    }
                    self.push_plain(Value::Nil);
                }
                Op::Settle => self.interface = false,
                Op::At => self.at = step,
                Op::Call { function, count, piped } => {
                    self.state.charge(&self.environment, 1)?;
                    let callee = &template.functions[function as usize];
                    self.call(callee, usize::from(count), piped, || match code.get(step + 1) {
                        Some(Op::Fail(at)) => &template.messages[*at as usize],
                        _ => "",
                    })?;
                    if let Callee::Builtin(Builtin::Call) = callee {
                        self.here += 1;
                    }
                }
                Op::Check { wanted, below } => {
                    let interface = below == 0 && self.interface;
                    let at = self.machine.stack.len() - 1 - usize::from(below);
                    check(&mut self.machine.stack[at], interface, template.types[usize::from(wanted)])?;
                }
                Op::Method { name, count, piped, skip } => {
                    let got = usize::from(count) + usize::from(piped);
                    if !self.begin_method(&template.names[name as usize], got, piped)? {
                        self.here = skip as usize;
                    }
                }
                Op::MethodArgument(index) => {
                    let wanted = self.parameter(index as usize);
                    let interface = self.interface;
                    if let Some(top) = self.machine.stack.last_mut() {
                        check(top, interface, wanted)?;
                    }
                }
                Op::MethodNil(index) => {
                    self.at = step;
                    self.method_nil(index as usize)?;
                }
                Op::MethodLiteral { literal, index } => {
                    self.at = step;
                    let site = template.bodies[body].sites[step];
                    self.method_literal(template, &template.literals[literal as usize], index as usize, site)?;
                }
                Op::MethodCall { count, piped } => {
                    self.state.charge(&self.environment, 1)?;
                    // The name is that of the `Method` step, which the error is for.
                    self.call_method(template, body, step, usize::from(count), piped)?;
                }
                Op::OrElse(to) => {
                    if self.top_is_true() {
                        self.here = to as usize;
                    } else {
                        self.pop();
                        self.interface = false;
                    }
                }
                Op::AndThen(to) => {
                    if self.top_is_true() {
                        self.pop();
                        self.interface = false;
                    } else {
                        self.here = to as usize;
                    }
                }
                Op::DropBelow => {
                    let top = self.pop();
                    self.pop();
                    self.machine.stack.push(top);
                }
                Op::Store { slot, keep } => {
                    let value = if keep { self.machine.stack.last().cloned().unwrap_or_default() } else { self.pop() };
                    *self.variable(slot) = Slot::plain(value);
                }
                Op::Print { direct } => {
                    self.state.charge(&self.environment, 1)?;
                    self.print(direct)?;
                }
                Op::JumpUnless(to) => {
                    if !self.pop().truth() {
                        self.here = to as usize;
                    }
                }
                Op::Jump(to) => self.here = to as usize,
                Op::With(to) => {
                    let value = self.pop();
                    if value.truth() {
                        let outer = mem::replace(&mut self.dot, Slot::plain(value));
                        self.machine.dots.push(outer);
                    } else {
                        self.here = to as usize;
                    }
                }
                Op::EndWith => self.dot = self.machine.dots.pop().unwrap_or_default(),
                Op::Range { pairs, otherwise } => {
                    if !self.begin_loop(pairs)? {
                        self.here = otherwise as usize;
                    }
                }
                Op::Next { element, index, exit } => {
                    self.state.charge(&self.environment, 1)?;
                    if !self.next_round(element, index) {
                        self.leave_loop();
                        self.here = exit as usize;
                    }
                }
                Op::Break(exit) => {
                    self.leave_loop();
                    self.here = exit as usize;
                }
                Op::Find(which) => {
                    self.at = step;
                    self.find(&template.templates[which as usize])?;
                }
                Op::Template(which) => return self.template(&template.templates[which as usize]),
                Op::Return => return Ok(Flow::Return),
                Op::Fail(message) => return Err(template.messages[message as usize].clone().into()),
            }
        }
    }

    /// Begins the call of a method of the receiver on top; false if the receiver is invalid, and so is the result.
    fn begin_method(&mut self, name: &str, got: usize, piped: bool) -> Result<bool, Failure> {
        let receiver = Slot { interface: self.interface, value: self.pop() };
        let Some(method) = method(&receiver, name, self.environment.options.missing_key)? else {
            if piped {
                self.pop();
            }
            self.push_plain(Value::Nil);
            return Ok(false);
        };
        let wanted = method.params().len();
        if wanted != got {
            return Err(format!("wrong number of args for {name}: want {wanted} got {got}").into());
        }
        self.machine.pending.push(Pending { receiver: receiver.value, method });
        Ok(true)
    }

    fn method_nil(&mut self, index: usize) -> Result<(), Failure> {
        let wanted = self.parameter(index);
        if !crate::compile::can_be_nil(wanted) {
            return Err(format!("cannot assign nil to {}", wanted.name()).into());
        }
        let mut value = Value::Nil;
        check(&mut value, false, wanted)?;
        self.push_plain(value);
        Ok(())
    }

    fn method_literal(
        &mut self,
        template: &Template,
        literal: &Literal,
        index: usize,
        site: u32,
    ) -> Result<(), Failure> {
        let site = template.site_table[site as usize];
        let constant = typed_literal(literal, self.parameter(index), || template.print_site(&site))?;
        self.push_plain(thaw(&constant));
        Ok(())
    }

    /// Begins a loop over the top; false if there is nothing to go through.
    fn begin_loop(&mut self, pairs: bool) -> Result<bool, Failure> {
        let items = items(self.pop(), pairs)?;
        Ok(match items {
            Some(items) => {
                self.machine.loops.push(Loop { items, outer_dot: self.dot.clone() });
                true
            }
            None => false,
        })
    }

    fn find(&mut self, name: &[u8]) -> Result<(), Failure> {
        if self.state.find(&self.environment, name).is_none() {
            return Err(self.not_defined(name));
        }
        let limit = self.environment.options.limits.depth;
        if self.state.frames >= limit {
            return Err(format!("exceeded maximum template depth ({limit})").into());
        }
        Ok(())
    }

    #[cold]
    fn not_defined(&self, name: &[u8]) -> Failure {
        let message = format!("template {} not defined", pintle_golib::strconv::quote(name));
        FailureKind::NotDefined(message, self.state.alike(&self.environment, name)).into()
    }

    fn template(&mut self, name: &[u8]) -> Result<Flow, Failure> {
        self.state.charge(&self.environment, 1)?;
        let Some(target) = self.state.find(&self.environment, name) else { return Err(self.not_defined(name)) };
        Ok(Flow::Enter(target, self.pop()))
    }

    /// Makes a failure be at the place of an earlier step.
    fn inherit(&mut self, failure: Failure) -> Failure {
        self.here = self.at + 1;
        failure
    }

    fn top_is_true(&self) -> bool {
        self.machine.stack.last().is_some_and(Value::truth)
    }

    /// The type of a parameter of the method whose arguments are being computed.
    fn parameter(&self, index: usize) -> Type {
        let params = self.machine.pending.last().map_or(&[][..], |pending| pending.method.params());
        params.get(index).map_or(Type::Any, |name| Type::of_name(name))
    }

    fn call<'t>(
        &mut self,
        callee: &Callee,
        count: usize,
        piped: bool,
        callee_shown: impl Fn() -> &'t str,
    ) -> Result<(), Failure> {
        let stack = &mut self.machine.stack;
        let start = stack.len() - count;
        let arguments = &mut stack[start..];
        if piped && count > 1 {
            // The piped value was there first and is the last argument.
            arguments.rotate_left(1);
        }
        let result = match callee {
            Callee::Function(function) => {
                let mut call = Call { environment: self.environment, state: self.state };
                (function.call)(&mut call, arguments)
            }
            Callee::Builtin(Builtin::Call) => Err(FuncError::Text(builtins::not_callable(callee_shown(), arguments))),
            Callee::Builtin(which) => builtins::call(*which, arguments, self.interface).map_err(FuncError::Text),
        };
        stack.truncate(start);
        let value = result.map_err(|error| FailureKind::Function(callee.name().to_owned(), error))?;
        if let Value::String(text) = &value {
            self.state.charge_bytes(text.len())?;
            self.state.charge(&self.environment, text.len() as u64 / BYTES_PER_STEP)?;
        }
        // A nil that no pipeline was between is still an interface.
        self.interface = matches!(value, Value::Nil);
        self.machine.stack.push(value);
        Ok(())
    }

    fn call_method(
        &mut self,
        template: &Template,
        body: usize,
        step: usize,
        count: usize,
        piped: bool,
    ) -> Result<(), Failure> {
        let name = method_name(template, body, step);
        let Some(pending) = self.machine.pending.pop() else { return Ok(()) };
        let stack = &mut self.machine.stack;
        let start = stack.len() - count - usize::from(piped);
        let arguments = &mut stack[start..];
        if piped {
            arguments.rotate_left(1);
            let wanted = pending.method.params().last().map_or(Type::Any, |name| Type::of_name(name));
            if let Some(last) = arguments.last_mut()
                && let Err(message) = check(last, false, wanted)
            {
                return Err(self.inherit(message.into()));
            }
        }
        let result = pending.method.call(&pending.receiver, name, arguments);
        stack.truncate(start);
        let value = result.map_err(|e| FailureKind::Function(name.to_owned(), FuncError::Text(e.0)))?;
        self.interface = matches!(value, Value::Nil);
        self.machine.stack.push(value);
        Ok(())
    }

    fn print(&mut self, direct: bool) -> Result<(), Failure> {
        let before = self.out.len();
        let value = self.pop();
        match &value {
            Value::String(text) => self.out.extend_from_slice(text),
            Value::Nil => self.out.extend_from_slice(b"<no value>"),
            Value::Object(object) if direct && let Some(text) = object.direct_text() => {
                self.out.extend_from_slice(text.as_bytes());
            }
            value => fmt::print_value(value, self.out).map_err(|e| e.to_string())?,
        }
        // A pointer is followed before it is printed; inside of other values it is not.
        if matches!(&value, Value::Object(object) if object.is_pointer()) && self.out.get(before) == Some(&b'&') {
            self.out.remove(before);
        }
        self.state.charge_bytes(self.out.len() - before)?;
        Ok(())
    }

    /// Sets the dot and the variables for the next round; false if there is none.
    fn next_round(&mut self, element: u32, index: u32) -> bool {
        let Some(innermost) = self.machine.loops.last_mut() else { return false };
        let (key, value) = match &mut innermost.items {
            Items::List { list, at, length, interface } => {
                let value = if *at < *length { list.get(*at) } else { None };
                let Some(value) = value else { return false };
                *at += 1;
                (Key::Index(*at - 1), Slot { value, interface: *interface })
            }
            Items::Bytes { bytes, at } => {
                let Some(&byte) = bytes.get(*at) else { return false };
                *at += 1;
                (Key::Index(*at - 1), Slot::plain(Value::Uint8(byte)))
            }
            Items::Map { entries, interface } => {
                let Some((key, value)) = entries.next() else { return false };
                (Key::Text(key), Slot { value, interface: *interface })
            }
            Items::Count { at, end, make } => {
                if *at >= *end {
                    return false;
                }
                *at += 1;
                (Key::Index(0), Slot::plain(make(*at - 1)))
            }
        };
        if index != NO_SLOT {
            let key = match key {
                #[allow(clippy::cast_possible_wrap)] // a place in memory
                Key::Index(at) => Value::Int(at as i64),
                Key::Text(key) => Value::String(key),
            };
            *self.variable(index) = Slot::plain(key);
        }
        if element != NO_SLOT {
            *self.variable(element) = value.clone();
        }
        self.dot = value;
        true
    }

    fn leave_loop(&mut self) {
        if let Some(finished) = self.machine.loops.pop() {
            self.dot = finished.outer_dot;
        }
    }
}

enum Key {
    Index(usize),
    Text(Str),
}

/// The name of the method that a `MethodCall` step calls: that of the `Method` step that jumps behind it.
fn method_name(template: &Template, body: usize, step: usize) -> &str {
    let behind = step + 1;
    template.bodies[body].code[..step]
        .iter()
        .rev()
        .find_map(|op| match op {
            Op::Method { name, skip, .. } if *skip as usize == behind => Some(&*template.names[*name as usize]),
            _ => None,
        })
        .unwrap_or("")
}

/// What a loop over a value goes through, if there is anything.
fn items(value: Value, pairs: bool) -> Result<Option<Items>, Failure> {
    let count = |n: i64, make: fn(u64) -> Value| {
        #[allow(clippy::cast_sign_loss)] // positive
        (n > 0).then_some(Items::Count { at: 0, end: n.max(0) as u64, make })
    };
    let shown = |value: &Value| {
        let mut text = Vec::new();
        // A text that was cut short will do in an error.
        let _ = fmt::print_value(value, &mut text);
        text.truncate(1 << 20);
        String::from_utf8_lossy(&text).into_owned()
    };
    if pairs
        && matches!(value, Value::Int(_) | Value::Int64(_) | Value::Uint8(_) | Value::Uint64(_) | Value::Duration(_))
    {
        let value = shown(&value);
        return Err(format!("can't use {value} to iterate over more than one variable").into());
    }
    #[allow(clippy::cast_possible_wrap)] // they count up from zero to an i64
    let items = match value {
        Value::Nil => None,
        Value::List(list) => {
            let length = list.len();
            let interface = matches!(list.kind(), ListKind::Any);
            (length > 0).then_some(Items::List { list, at: 0, length, interface })
        }
        Value::Bytes(bytes) => (!bytes.is_empty()).then_some(Items::Bytes { bytes, at: 0 }),
        Value::Map(map) => {
            let interface = match map.kind() {
                MapKind::Any => true,
                MapKind::String => false,
                MapKind::Named(named) => named.element == "interface {}",
            };
            let entries = map.snapshot();
            (!entries.is_empty()).then(|| Items::Map { entries: entries.into_iter(), interface })
        }
        Value::Int(n) => count(n, |at| Value::Int(at as i64)),
        Value::Int64(n) => count(n, |at| Value::Int64(at as i64)),
        Value::Duration(n) => count(n.nanos(), |at| Value::Duration(Duration::from_nanos(at as i64))),
        #[allow(clippy::cast_possible_truncation)] // counts up to a u8
        Value::Uint8(n) => count(i64::from(n), |at| Value::Uint8(at as u8)),
        Value::Uint64(n) => (n > 0).then_some(Items::Count { at: 0, end: n, make: Value::Uint64 }),
        other => return Err(format!("range can't iterate over {}", shown(&other)).into()),
    };
    Ok(items)
}
