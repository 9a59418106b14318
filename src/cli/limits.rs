//! What the templates of a render may use up, as flags of every verb that renders.

use clap::Args;
use pintle_template::Limits;

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of a render")]
pub(super) struct LimitFlags {
    /// Steps that the templates of a render may take, in millions
    #[arg(long, env = "PINTLE_RENDER_STEPS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..1_000_000_000))]
    render_steps: u64,
    /// Text that the templates of a render may make, the inputs of functions included, in MiB
    #[arg(long, env = "PINTLE_RENDER_SIZE", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    render_size: u64,
}

impl LimitFlags {
    pub(super) fn limits(&self) -> Limits {
        Limits { steps: self.render_steps * 1_000_000, bytes: self.render_size << 20, ..Limits::default() }
    }
}
