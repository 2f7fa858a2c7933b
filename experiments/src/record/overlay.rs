//! The folder of a plan that was predicted and carried out: `results/<plan>-overlay/<UTC time>-<seed>/`. Its runs have
//! folders of their own.

use super::{Folder, fresh, manifest, utc_now};
use crate::plan::{Plan, to_toml};
use std::path::Path;
use tidemark_observer::overlay::Overlay;
use tidemark_observer::plot::render_overlay;
use tidemark_observer::report::{Manifest, overlay_page};

/// The folder.
pub struct OverlayFolder(Folder);

impl OverlayFolder {
    /// Makes a new one below `out`, and writes its manifest.
    pub fn create(
        out: &Path,
        name: &str,
        plan: &Plan,
        replay: String,
    ) -> anyhow::Result<(Self, Manifest)> {
        let started_utc = utc_now();
        let path = fresh(
            &out.join(format!("{name}-overlay")),
            &started_utc,
            plan.seed,
        )?;
        let manifest = manifest(&path, started_utc, to_toml(plan)?, replay);
        let folder = Folder(path);
        folder.write_json("manifest.json", &manifest)?;
        Ok((Self(folder), manifest))
    }

    /// Writes all that is made from what the sources say.
    pub fn write(&self, overlay: &Overlay, manifest: &Manifest) -> anyhow::Result<()> {
        let Self(folder) = self;
        folder.write_json("overlay.json", overlay)?;
        folder.write_plots(&render_overlay(overlay))?;
        folder.write("report.html", overlay_page(overlay, manifest))
    }
}
