"""Balancers: what turns the scenarios' losses, or their gradients, into one update."""

from __future__ import annotations

from polyscene.registry.components import Component
from polyscene.training.balancers.aligned_mtl import AlignedMtlBalancer, AlignedMtlConfig
from polyscene.training.balancers.balancer import Balancer
from polyscene.training.balancers.cagrad import CagradBalancer, CagradConfig
from polyscene.training.balancers.dwa import DwaBalancer, DwaConfig
from polyscene.training.balancers.famo import FamoBalancer, FamoConfig
from polyscene.training.balancers.geometric import GeometricBalancer
from polyscene.training.balancers.gradnorm import GradnormBalancer, GradnormConfig
from polyscene.training.balancers.gradvac import GradvacBalancer, GradvacConfig
from polyscene.training.balancers.imtl_g import ImtlGBalancer
from polyscene.training.balancers.imtl_l import ImtlLBalancer
from polyscene.training.balancers.mean import MeanBalancer
from polyscene.training.balancers.mgda import MgdaBalancer, MgdaConfig
from polyscene.training.balancers.nash import NashBalancer, NashConfig
from polyscene.training.balancers.pcgrad import PcgradBalancer
from polyscene.training.balancers.random_weights import RandomBalancer
from polyscene.training.balancers.stch import StchBalancer, StchConfig
from polyscene.training.balancers.uncertainty import UncertaintyBalancer
from polyscene.training.balancers.upgrad import UpgradBalancer

__all__ = ["COMPONENTS", "Balancer"]

COMPONENTS = [
    Component("balancer", "mean", MeanBalancer),
    Component("balancer", "uncertainty", UncertaintyBalancer),
    Component("balancer", "dwa", DwaBalancer, DwaConfig),
    Component("balancer", "stch", StchBalancer, StchConfig),
    Component("balancer", "famo", FamoBalancer, FamoConfig),
    Component("balancer", "geometric", GeometricBalancer),
    Component("balancer", "imtl_l", ImtlLBalancer),
    Component("balancer", "random", RandomBalancer),
    Component("balancer", "gradnorm", GradnormBalancer, GradnormConfig),
    Component("balancer", "pcgrad", PcgradBalancer),
    Component("balancer", "cagrad", CagradBalancer, CagradConfig),
    Component("balancer", "mgda", MgdaBalancer, MgdaConfig),
    Component("balancer", "nash", NashBalancer, NashConfig),
    Component("balancer", "aligned_mtl", AlignedMtlBalancer, AlignedMtlConfig),
    Component("balancer", "imtl_g", ImtlGBalancer),
    Component("balancer", "gradvac", GradvacBalancer, GradvacConfig),
    Component("balancer", "upgrad", UpgradBalancer),
]
