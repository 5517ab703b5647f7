"""What a training may reward."""

from fastapi import APIRouter

from gateway.jobs.reward_models import Reward
from gateway.routes.dependencies import CallerDep, ServicesDep

router = APIRouter(tags=["training"])


@router.get("/rewards", summary="The rewards that a training may name")
async def list_rewards(services: ServicesDep, caller: CallerDep) -> list[Reward]:
    """Those that are built in, then those of packages that are installed beside the service."""
    return await services.jobs.choices.rewards()
