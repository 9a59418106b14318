//! What is measured: a chart and its values, rendered in the ways that `cargo bench` and `cargo xtask bench` time.

use anyhow::{Context as _, Result};
use pintle::{
    chart::{Chart, Frozen, load, values},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, render, render_files},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A packaged chart and a file of values.
pub struct Source {
    /// The archive or folder.
    pub chart: PathBuf,
    /// The file of values, if any.
    pub values: Option<PathBuf>,
}

impl Source {
    /// The source that the last arguments of a command line name.
    ///
    /// # Errors
    /// If there is no chart.
    pub fn of(arguments: &[String]) -> Result<Self> {
        let chart = arguments.first().context("name a chart")?.into();
        Ok(Self { chart, values: arguments.get(1).map(PathBuf::from) })
    }

    /// Loads the chart. Nothing is compiled yet.
    ///
    /// # Errors
    /// What the loader says.
    pub fn load(&self) -> Result<Chart> {
        load::path(&self.chart, &load::Limits::default())
            .with_context(|| format!("cannot load {}", self.chart.display()))
    }

    /// The user's values.
    ///
    /// # Errors
    /// If the file is not there or is no table.
    pub fn user(&self) -> Result<Frozen> {
        let Some(path) = &self.values else { return Ok(Frozen::table()) };
        read_values(path)
    }

    /// The chart, ready to be rendered.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn compiled(&self) -> Result<Arc<CompiledChart>> {
        Ok(Arc::new(CompiledChart::new(Arc::new(self.load()?))))
    }
}

fn read_values(path: &Path) -> Result<Frozen> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table = values::from_yaml(&text).map_err(anyhow::Error::msg)?;
    Ok(Frozen::of(&table.into())?)
}

/// The request to render a chart under a name.
pub fn request(chart: &Arc<CompiledChart>, user: &Frozen, name: &str) -> RenderRequest {
    RenderRequest {
        chart: Arc::clone(chart),
        values: user.clone(),
        release: Release { name: name.into(), namespace: "ns".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options: Options::default(),
        host: Arc::new(Machine),
    }
}

/// How far a render goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From a compiled chart to the texts of its files.
    Render,
    /// On to hooks and objects in their order.
    Manifest,
    /// All of that, from the archive on.
    Cold,
}

impl Mode {
    /// The mode of a name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn of(name: &str) -> Result<Self> {
        Ok(match name {
            "render" => Self::Render,
            "manifest" => Self::Manifest,
            "cold" => Self::Cold,
            _ => anyhow::bail!("there is no mode {name}; there are render, manifest and cold"),
        })
    }

    /// Renders once.
    ///
    /// # Errors
    /// What the chart meets.
    pub fn run(self, source: &Source, compiled: &Arc<CompiledChart>, user: &Frozen) -> Result<()> {
        match self {
            Self::Render => drop(render_files(&request(compiled, user, "rel"))?),
            Self::Manifest => drop(render(&request(compiled, user, "rel"))?),
            Self::Cold => drop(render(&request(&source.compiled()?, user, "rel"))?),
        }
        Ok(())
    }
}
