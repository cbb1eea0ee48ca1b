{{- define "heapfast.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "heapfast.fullname" -}}
{{- $name := include "heapfast.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "heapfast.selectorLabels" -}}
app.kubernetes.io/name: {{ include "heapfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "heapfast.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "heapfast.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "heapfast.serviceAccountName" -}}
{{- default (ternary (include "heapfast.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "heapfast.tlsSecretName" -}}
{{- if eq .Values.tls.type "existingSecret" }}
{{- required "tls.existingSecret.name is needed with tls.type existingSecret" .Values.tls.existingSecret.name }}
{{- else }}
{{- include "heapfast.fullname" . }}
{{- end }}
{{- end }}

{{- /* Most of what these two serve is in /stats/summary alone. */ -}}
{{- define "heapfast.readsSummary" -}}
{{- or .Values.heapster.enabled .Values.customMetrics.enabled }}
{{- end }}

{{- /* What kubelets are asked for, as the resources that their authorization knows. */ -}}
{{- define "heapfast.kubeletResources" -}}
{{- if .Values.usageKeys.enabled }}nodes/metrics, nodes/stats
{{- else if eq (include "heapfast.readsSummary" .) "true" }}nodes/stats
{{- else }}nodes/metrics
{{- end }}
{{- end }}

{{- /* Host names of the Service, as the API server and people dial it. */ -}}
{{- define "heapfast.hostNames" -}}
{{- $name := include "heapfast.fullname" . }}
- {{ $name }}.{{ .Release.Namespace }}.svc
- {{ $name }}.{{ .Release.Namespace }}.svc.{{ .Values.tls.clusterDomain }}
{{- end }}

{{- /* What cannot be installed, said before anything is. */ -}}
{{- define "heapfast.check" -}}
{{- if not (has .Values.tls.type (list "metrics-server" "helm" "cert-manager" "existingSecret")) }}
{{- fail "tls.type: want metrics-server, helm, cert-manager or existingSecret" }}
{{- end }}
{{- if .Values.addonResizer.enabled }}
{{- fail "addonResizer.enabled: this chart has no addon resizer; set resources" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "serviceMonitor.enabled: want metrics.enabled beside it" }}
{{- end }}
{{- end }}
