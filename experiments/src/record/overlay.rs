//! The folder of a plan that was predicted and carried out: `results/<plan>-overlay/<UTC time>-<seed>/`. Its runs have
//! folders of their own; those of a plan that varies something are below `cells/`.

use super::{Folder, fresh, manifest, utc_now};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tidemark_observer::overlay::{Family, Overlay};
use tidemark_observer::plot::{render_family, render_overlay};
use tidemark_observer::report::{Manifest, family_markdown, family_page, overlay_page};

/// The folder.
pub struct OverlayFolder(Folder);

/// What the sources say, of a plan or of one that varies something.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Laid {
    /// Of every cell.
    Family(Family),
    /// Of the plan.
    One(Overlay),
}

impl OverlayFolder {
    /// Makes a new one below `out`, of a plan with a seed as it was resolved, and writes its manifest.
    pub fn create(
        out: &Path,
        name: &str,
        (seed, plan_toml): (u64, String),
        replay: String,
    ) -> anyhow::Result<(Self, Manifest)> {
        let started_utc = utc_now();
        let path = fresh(&out.join(format!("{name}-overlay")), &started_utc, seed)?;
        let manifest = manifest(&path, started_utc, plan_toml, replay);
        let folder = Folder(path);
        folder.write_json("manifest.json", &manifest)?;
        Ok((Self(folder), manifest))
    }

    /// The folder of an overlay that was made before, its manifest, and what its sources say; none if it is the folder of
    /// something else.
    #[must_use]
    pub fn open(path: &Path) -> Option<(Self, Manifest, Laid)> {
        let folder = Folder(path.to_owned());
        let laid = folder.read_json(SAID).ok()?;
        let mut manifest: Manifest = folder.read_json("manifest.json").ok()?;
        manifest.folder = path.display().to_string();
        Some((Self(folder), manifest, laid))
    }

    /// Where the results of single cells go.
    #[must_use]
    pub fn cells(&self) -> PathBuf {
        self.0.path().join("cells")
    }

    /// Writes all that is made from what the sources say.
    pub fn write(&self, overlay: &Overlay, manifest: &Manifest) -> anyhow::Result<()> {
        let Self(folder) = self;
        folder.write_json(SAID, overlay)?;
        folder.write_plots(&render_overlay(overlay))?;
        folder.write("report.html", overlay_page(overlay, manifest))
    }

    /// Writes what the sources say of every cell.
    pub fn write_family(&self, family: &Family, manifest: &Manifest) -> anyhow::Result<()> {
        let Self(folder) = self;
        folder.write_json(SAID, family)?;
        folder.write_csv("overlay.csv", family.rows())?;
        if let Some(parity) = &family.parity {
            folder.write_csv("parity.csv", parity.rows())?;
        }
        folder.write_csv("quantiles.csv", family.quantiles())?;
        folder.write_plots(&render_family(family))?;
        folder.write("overlay.md", family_markdown(family, manifest))?;
        folder.write("report.html", family_page(family, manifest))
    }
}

/// What the sources say, from which all else is made.
const SAID: &str = "overlay.json";
