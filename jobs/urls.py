"""Pages of ``jobs``; the start page has its name in ``gateway.urls``."""

from django.urls import path

from jobs.views import access, acls, home, job, operator, run, sites

app_name = "jobs"
urlpatterns = [
    path("tools/", home.tools, name="tools"),
    path("tools/<slug:tool>/", home.tool, name="tool"),
    path("projects/<uuid:project_id>/jobs/", job.job_list, name="list"),
    path("projects/<uuid:project_id>/jobs/<int:number>/", job.numbered, name="numbered"),
    path("projects/<uuid:project_id>/people/<uuid:user_id>/remove/", access.member_remove, name="member_remove"),
    path("projects/<uuid:project_id>/people/groups/<uuid:grant_id>/remove/", access.grant_remove, name="grant_remove"),
    path("projects/<uuid:project_id>/leave/", access.leave, name="leave"),
    path("projects/<uuid:project_id>/run/<slug:tool>/", run.run, name="run"),
    path("projects/<uuid:project_id>/matches/", run.matches, name="matches"),
    path("jobs/<uuid:job_id>/", job.job, name="job"),
    path("jobs/<uuid:job_id>/live/", job.live, name="live"),
    path("jobs/<uuid:job_id>/results/", job.results, name="results"),
    path("jobs/<uuid:job_id>/log/", job.log, name="log"),
    path("jobs/<uuid:job_id>/cancel/", job.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/repair/", job.repair, name="repair"),
    path("operator/", operator.operator, name="operator"),
    path("operator/sites/", sites.site_list, name="sites"),
    path("operator/sites/add/", sites.new, name="site_new"),
    path("operator/sites/<slug:name>/", sites.site, name="site"),
    path("operator/sites/<slug:name>/probe/", sites.probe, name="site_probe"),
    path("operator/sites/<slug:name>/drain/", sites.drain, name="site_drain"),
    path("operator/sites/<slug:name>/open/", sites.reopen, name="site_open"),
    path("operator/reconcile/", sites.differences, name="reconcile"),
    path("operator/workers/", operator.workers, name="workers"),
    path("operator/acls/", acls.page, name="acls"),
    path("operator/acls/account/", acls.set_account, name="acls_account"),
    path("operator/acls/sites/<uuid:site_id>/", acls.mirror_site, name="acls_site"),
    path("operator/acls/projects/<uuid:project_id>/", acls.repair, name="acls_repair"),
]
