"""The chapters of the demo, and the selection of chapters and scenes by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sip_stager.demo.chapters.agent_choice import AGENTS
from sip_stager.demo.chapters.policies import POLICIES
from sip_stager.demo.chapters.reuse import CLAIMS
from sip_stager.demo.chapters.ringing import RINGING
from sip_stager.demo.chapters.stress import STRESS
from sip_stager.demo.chapters.tour import TOUR
from sip_stager.demo.chapters.upstream import UPSTREAM

if TYPE_CHECKING:
    from collections.abc import Collection

    from sip_stager.demo.scene import Chapter

__all__ = ["CHAPTERS", "NAMES", "TOUR", "select_chapters"]

CHAPTERS = (TOUR, POLICIES, RINGING, CLAIMS, STRESS, UPSTREAM, AGENTS)
NAMES = {
    name
    for chapter in CHAPTERS
    for name in (chapter.name, *(scene.name for scene in chapter.scenes))
}
"""The names of all chapters and scenes."""


def select_chapters(wanted: Collection[str]) -> list[Chapter]:
    """Return the chapters with one of these names, and of other chapters the scenes with one."""
    selected = []
    for chapter in CHAPTERS:
        scenes = tuple(scene for scene in chapter.scenes if {chapter.name, scene.name} & {*wanted})
        if scenes:
            selected.append(replace(chapter, scenes=scenes))
    return selected
