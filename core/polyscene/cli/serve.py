"""``polyscene serve``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_run

_EXAMPLE = "polyscene serve run=latest port=8000"


@click.command(
    epilog=f"""\b
Examples:
  {_EXAMPLE}
  polyscene serve run=latest workers=2 deployment=shop
  polyscene serve deployment=shop port=0
  polyscene serve run=latest deployment=shop --add
  polyscene serve --alerts > alerts.yml
  polyscene serve --ray > ray.yml
  polyscene serve --openapi > openapi.json

\b
Policies and an experiment, in shop/config.json:
  {{"policies": {{"video": {{"name": "epsilon", "options": {{"epsilon": 0.1}}}}}},
   "experiments": {{"ranker": {{"scenarios": ["music"], "arms": {{
      "control": {{}},
      "new": {{"policy": {{"name": "thompson", "reward": "click", "within": "10m"}}, "version": "VERSION"}}}}}}}}}}

\b
Ask it, once it says where it serves:
  curl -s http://127.0.0.1:8000/v1/scenarios
  curl -s http://127.0.0.1:8000/v1/recommend --json '{{"scenario": "video", "user": "42", "k": 3}}'
  curl -s http://127.0.0.1:8000/v1/recommend --json '{{"scenario": "video", "text": "space battles and robots"}}'
  curl -s http://127.0.0.1:8000/v1/similar --json '{{"scenario": "video", "item": "260", "k": 3}}'
  curl -s http://127.0.0.1:8000/v1/feedback --json \\
    '{{"events": [{{"kind": "click", "scenario": "video", "user": "42", "item": "260"}}]}}'
  curl -s http://127.0.0.1:8000/metrics"""
)
@click.argument("arguments", nargs=-1, metavar="run=RUN [KEY=VALUE]...", shell_complete=complete_run)
@click.option("--add", is_flag=True, help="Only keep the run as a version of the deployment, and say its name.")
@click.option("--alerts", "show", flag_value="alerts", help="Only print alert rules for Prometheus.")
@click.option("--ray", "show", flag_value="ray", help="Only print a deployment file for Ray Serve.")
@click.option("--openapi", "show", flag_value="openapi", help="Only print the OpenAPI document.")
@click.pass_context
def serve(context: click.Context, arguments: tuple[str, ...], add: bool, show: str | None) -> None:
    """Answer requests for recommendations over HTTP, and keep what users do.

    A deployment is a folder with versions of the model, the one that is promoted, and the feedback log. The first
    run is promoted by itself; later ones when you say so, without a failed request.

    Its config.json, read at the start, says which policy chooses what is shown (greedy, epsilon, thompson, linucb,
    or one of a plugin), by scenario and by the arms of experiments, which may have a version of their own. The
    page and `polyscene experiment report` tell how experiments go.

    Keys: run (a directory, or latest; left out, what was promoted last), deployment, host, port, workers, keys
    (file of API keys; without one only this machine is answered), feedback (where the log is: a path or
    postgresql://...), promote (true: serve this run whatever was promoted), beside (a version
    that the page compares it with), texts (false: load the backbone when the first text comes), limits.rate,
    limits.burst, limits.body, limits.seconds, limits.waiting, limits.batch, limits.events,
    retrieval.approximate_above, retrieval.probes, device, data.root, data.cache, data.offline, root (folder that
    latest looks in).
    """
    if show in ("alerts", "ray"):
        from polyscene.serving.companions import alert_rules, ray_deployment

        click.echo(alert_rules() if show == "alerts" else ray_deployment(), nl=False)
        return

    from polyscene.config.arguments import from_arguments
    from polyscene.errors import ConfigError
    from polyscene.serving.config import ServeConfig

    try:
        if show == "openapi":
            from polyscene.serving.document import document

            click.echo(document())
            return
        config = from_arguments(ServeConfig, arguments, where="polyscene serve", example=_EXAMPLE)
        from polyscene.registry.host import load_host
        from polyscene.serving.command import add_version
        from polyscene.serving.command import serve as serve_run

        if add:
            click.echo(add_version(config))
            return
        went_well = serve_run(config, load_host(), click.echo)
    except ModuleNotFoundError as missing:
        if missing.name not in _EXTRA:
            raise
        raise ConfigError(
            f"serving needs a package that is not installed: {missing.name}",
            where="polyscene serve",
            fix='pip install -c constraints.txt -e ".[serve]" (or "polyscene[serve]")',
        ) from None
    context.exit(0 if went_well else 1)


_EXTRA = {"fastapi", "uvicorn", "prometheus_client", "sqlalchemy", "pydantic", "starlette", "httpx2"}
