"""The pages of the Django that is a host."""

from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("own", lambda request: HttpResponse("own", content_type="text/plain"))]
